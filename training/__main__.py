"""`python -m training`: every step from a folder of pictures to the archive that TorchServe serves."""

from training.cli import main

if __name__ == "__main__":
    main(prog_name="python -m training")
