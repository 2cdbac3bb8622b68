"""Check that the committed dvc.lock is that of the committed code and parameters.

A clean clone has no data, so that all outputs count as deleted or not in cache; nothing else may differ.
"""

import json
import subprocess
import sys
from pathlib import Path

status = json.loads(
    subprocess.run(
        [Path(sys.executable).with_name("dvc"), "status", "--json", "report@ml-latest-small", "--with-deps"],
        check=True,
        capture_output=True,
    ).stdout
)
stale = {
    f"{stage}: {path} is {state}"
    for stage, changes in status.items()
    for change in changes
    for paths in (change.values() if isinstance(change, dict) else [{"command": change}])
    for path, state in paths.items()
    if state not in ("deleted", "not in cache")
}
if stale:
    sys.exit("error: dvc.lock is not up to date; run `make report` and commit it\n" + "\n".join(sorted(stale)))
print(f"dvc.lock is up to date with the code and parameters of {len(status)} stages")
