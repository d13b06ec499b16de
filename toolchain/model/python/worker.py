"""Converts one model that it finds in the exchange, then ends: its container's next start takes the next.

It is the first process of a container without network or credentials. What it unpickles is hostile, runs
as the same user and may do anything in there, so:
- it runs in a process of its own, which has a time limit, and cannot look into this one;
- when it is done, everything that still runs is killed, and only then a secret of this process is told,
  of which `life` held the SHA-256 before. By that who reads the result knows that nobody can change it;
- this process ends too, and the next model meets a new container's processes and files.

The exchange holds: `life`; `job/`, the model's files; `job.json`, there when they are complete, with the
life that they are for and how long it may take; then `out/`, what was made of them; `result.json`
({} or {"refused": "…"}); `over`, the secret.
"""

import ctypes
import hashlib
import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

EVERY = 0.1
GIVEN_UP = "the conversion was not done within {} s"
KILLED = "it needed more memory than there is for a conversion, or was killed"
PR_SET_DUMPABLE = 4


def main(exchange):
    if os.getpid() != 1:
        sys.exit("the unpickler ends all processes that it can: it only runs as the first of a container")
    # Otherwise another process of this user could read and change this one's memory.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        sys.exit("the memory of the unpickler cannot be kept from others")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    secret = secrets.token_hex(32)
    life = hashlib.sha256(secret.encode()).hexdigest()
    said = convert(exchange, **awaited(exchange, life))
    end_all()
    # The exchange may be full, and what is to be told of needs room.
    for each in exchange.iterdir():
        if said or each.name != "out":
            remove(each)
    put(exchange / "result.json", json.dumps(said))
    put(exchange / "over", secret)


def awaited(exchange, life):
    """How long the model may take, once it is there: given to this life, not left by another."""
    while True:
        given = parsed(read(exchange / "job.json"))
        if given.get("life") == life:
            return {key: float(given[key]) for key in ("seconds", "most")}
        if read(exchange / "life") != life:
            try:
                put(exchange / "life", life)
            except OSError:
                # Something of a life before is in its place; who shares the exchange takes it away.
                pass
        time.sleep(EVERY)


def convert(exchange, seconds, most):
    """What became of it: {} or {"refused": why}.

    It may take `seconds`, not counting those in which it waited for a core: a busy machine is not the
    model's fault. Whatever it waits for, it has no more than `most`.
    """
    words = Path("/tmp/said.json")
    child = subprocess.Popen(
        [sys.executable, __file__, "child", str(exchange / "job"), str(exchange / "out"), str(words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    since = time.monotonic()
    while child.poll() is None:
        passed = time.monotonic() - since
        if passed > most or passed - waited(child.pid) > seconds:
            return {"refused": GIVEN_UP.format(round(seconds))}
        time.sleep(EVERY)
    if child.returncode == 0:
        return {}
    end_all()
    if isinstance(why := parsed(read(words)).get("refused"), str):
        return {"refused": why}
    return {"refused": KILLED if child.returncode == -signal.SIGKILL else f"it ended with {child.returncode}"}


def waited(process):
    """Seconds for which a process was ready to run and had no core; 0 where the kernel does not say."""
    try:
        return int((read(f"/proc/{process}/schedstat") or "").split()[1]) / 1e9
    except (ValueError, IndexError):
        return 0.0


def read(path, most=65536):
    """The text of a file that anybody may have put there; None where there is none."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(opened, "rb") as file:
            return file.read(most).decode() if stat.S_ISREG(os.fstat(opened).st_mode) else None
    except (OSError, ValueError):
        return None


def parsed(text):
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def end_all():
    """Kills all that runs here but this process, which inherits what others leave."""
    while True:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def put(path, text):
    """Complete when it appears, whatever stood in its place."""
    part = path.with_name(f".{secrets.token_hex(8)}")
    part.write_text(text)
    remove(path)
    part.rename(path)


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def child(given, out, words):
    """The process that unpickles: ends with 0, or with 1 and why in `words`."""
    # Where memory runs out, the kernel ends this process and not the first.
    Path("/proc/self/oom_score_adj").write_text("1000")
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}
    from refused import Refused

    try:
        from folder import convert_folder

        convert_folder(Path(given), Path(out))
    except BaseException as error:  # noqa: BLE001 -- a pickle may raise anything
        text = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
        Path(words).write_text(json.dumps({"refused": text[:4000]}))
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1] == "child":
        child(*sys.argv[2:])
    else:
        main(Path(sys.argv[1]))
