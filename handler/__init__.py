"""What ships inside the archive: preprocessing and the TorchServe handler, and nothing else."""
