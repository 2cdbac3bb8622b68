"""Check params.yaml without running a stage, and report all its errors.

python -m stages.commands.check

DVC reads params.yaml before any stage does, and its own messages, say for an empty block, are unclear. So `make report`
runs this check first.
"""

from stages.config.reader import PATH, read_params
from stages.run.command_line import run


def check() -> None:
    """Read and validate params.yaml as every stage does."""
    print(f"{PATH} is right: {len(read_params().rows())} rows for each data set")


if __name__ == "__main__":
    run(check)
