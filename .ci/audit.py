"""Run pip-audit with the given arguments, and say what it could not audit.

pip-audit itself reports success if its service knows no package, as behind some mirrors. Exit codes: 0, no
vulnerability is known, or the service could not be asked, which is said; 1, vulnerabilities were found; 2, the
arguments are wrong.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_USAGE = 2


def main(arguments: list[str]) -> int:
    """Run the audit, print its result and return the exit code."""
    command = [Path(sys.executable).with_name("pip-audit"), "--format", "json", "--progress-spinner", "off", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)  # noqa: S603 - our own command
    if done.stdout.strip():
        lines, vulnerable = report(json.loads(done.stdout)["dependencies"])
        print("\n".join(lines))
        return 1 if vulnerable else 0
    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    print(f"could not audit: {reason}")
    return _USAGE if done.returncode == _USAGE else 0


def report(packages: list[dict[str, Any]]) -> tuple[list[str], bool]:
    """Return the lines to print for pip-audit's answer, and whether it has vulnerabilities."""
    skipped = [each for each in packages if "skip_reason" in each]
    found = [
        f"{each['name']} {each['version']}: {known['id']}, fixed in {', '.join(known['fix_versions']) or 'no version'}"
        for each in packages
        for known in each.get("vulns", ())
    ]
    lines = [*found, f"{len(packages) - len(skipped)} packages audited, known vulnerabilities: {len(found)}"]
    if skipped:
        lines.append(f"could not audit {len(skipped)} of {len(packages)} packages: {skipped[0]['skip_reason']}")
    return lines, bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
