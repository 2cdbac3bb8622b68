"""Compare the metrics that the pipeline gives here with the committed ones.

The same machine gives the same bytes. Another processor rounds differently, and a training amplifies that: allowed is
half of the standard error over the test users, 0.01.
"""

import json
import subprocess
import sys
from pathlib import Path

TOLERANCE = 0.01
PATH = "reports/ml-latest-small/metrics.json"

committed = json.loads(subprocess.run(["git", "show", f"HEAD:{PATH}"], check=True, capture_output=True).stdout)["rows"]
found = json.loads(Path(PATH).read_text())["rows"]
if committed.keys() != found.keys():
    sys.exit(f"error: {PATH} is committed with rows {list(committed)}, the pipeline gives {list(found)}")
differences = {
    f"{row} {metric}": found[row][metric] - value
    for row, metrics in committed.items()
    for metric, value in metrics.items()
}
too_far = [f"{name} {value:+.5f}" for name, value in differences.items() if not abs(value) <= TOLERANCE]  # NaN too
if too_far:
    sys.exit(f"error: more than {TOLERANCE} from {PATH} as committed; commit it anew if that is meant: {too_far}")
print(f"{len(differences)} metrics are within {TOLERANCE} of the committed ones")
