"""Writes requirements.lock: every wheel that requirements.in needs, by version and digest.

lock.py [FOLDER]: where both are, unless beside this file.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
GLIBC = ["2_36", "2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17"]
HEADER = """\
# What runs in the image, the same on every machine: wheels for CPython 3.11 on Linux, x86-64 and
# ARM. Made by lock.py from requirements.in.
"""


def resolve(arch, constraints, scratch):
    report = scratch / f"{arch}.json"
    platforms = [f"manylinux_{glibc}_{arch}" for glibc in GLIBC] + [f"manylinux2014_{arch}"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]
    command += [f"--platform={each}" for each in platforms]
    command += ["--target", str(scratch), "--report", str(report)]
    command += ["-r", str(HERE / "requirements.in"), "-c", str(constraints)]
    subprocess.run(command, check=True)
    return json.loads(report.read_text())["install"]


def main():
    wheels = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        constraints = scratch / "constraints.txt"
        constraints.write_text("")
        for arch in ("x86_64", "aarch64"):
            for each in resolve(arch, constraints, scratch):
                name = each["metadata"]["name"].lower().replace("_", "-")
                digest = each["download_info"]["archive_info"]["hashes"]["sha256"]
                wheels.setdefault(f"{name}=={each['metadata']['version']}", set()).add(digest)
            # Both machines get the same versions.
            constraints.write_text("\n".join(wheels))
    lines = [
        " \\\n    ".join([pin, *(f"--hash=sha256:{each}" for each in sorted(digests))])
        for pin, digests in sorted(wheels.items())
    ]
    (HERE / "requirements.lock").write_text(HEADER + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
