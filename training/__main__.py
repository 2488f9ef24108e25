"""`python -m training`: every step from a folder of pictures to the archive that TorchServe serves."""

# Each of these adds its commands to the group.
import training.commands_fit
import training.commands_judge
import training.commands_store  # noqa: F401
from training.cli import main

if __name__ == "__main__":
    main(prog_name="python -m training")
