"""How fast image classification is served over HTTP: Unmask, its peers, and the limit in one process."""
