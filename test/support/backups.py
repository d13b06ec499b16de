"""Backups in memory, whole, damaged and hostile: what is said of each, as JSON."""

import io
import json
import sys
import tarfile

sys.path.insert(0, "/code")
import backup
from refused import Refused
from restore import plan

FILES = {"MLmodel": b"flavors: {}\n", "data/weights é.bin": bytes(range(256)) * 20}


def whole(files=FILES, version="1", change=lambda manifest: None, hostile=lambda tar: None):
    out = io.BytesIO()
    writer = backup.Writer(out)
    sums = {}
    for path, data in sorted(files.items()):
        sums[path] = backup.hashlib.sha256(data).hexdigest()
        writer.add(backup.member_of("mine", version, path), len(data), io.BytesIO(data), sums[path])
    hostile(writer.tar)
    manifest = {
        **backup.FORMAT,
        "runs": {},
        "models": [
            {
                "name": "mine",
                "description": "",
                "tags": {},
                "aliases": {"production": version},
                "versions": [
                    {
                        "version": version,
                        "digest": backup.digest_of(sums),
                        "files": [{"path": path, "sha256": sums[path]} for path in sums],
                    }
                ],
            }
        ],
    }
    change(manifest)
    writer.close(manifest)
    return out.getvalue()


def said(data):
    try:
        records = backup.check(io.BytesIO(data))
        for _, _, file in backup.members(io.BytesIO(data)):
            file.read()
        return records
    except Refused as error:
        return str(error)


def member(name, **given):
    info = tarfile.TarInfo(name)
    for key, value in given.items():
        setattr(info, key, value)
    return lambda tar: tar.addfile(info)


def header(name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf()


good = whole()
records = backup.check(io.BytesIO(good))
content = [(name, file.read()) for name, _, file in backup.members(io.BytesIO(good))]


def unharmed(data):
    """Refused, or taken for exactly what it was before."""
    told = said(data)
    if isinstance(told, str):
        return "damaged" in told
    return told == records and content == [(n, f.read()) for n, _, f in backup.members(io.BytesIO(data))]


flipped = [good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :] for at in range(0, len(good), 61)]
end = good.rindex(b"SHA256SUMS\0") + 512
cut = [good[:at] for at in range(0, end, 499)]
hostile = {
    "a symbolic link": whole(hostile=member("models/mine/1/x", type=tarfile.SYMTYPE, linkname="/etc")),
    "a link": whole(hostile=member("models/mine/1/x", type=tarfile.LNKTYPE, linkname="models/mine/1/MLmodel")),
    "a device": whole(hostile=member("models/mine/1/x", type=tarfile.CHRTYPE)),
    "a folder": whole(hostile=member("models/mine/1/x", type=tarfile.DIRTYPE)),
    "a file that nothing tells of": whole(hostile=member("models/mine/1/x")),
    "a path outside": whole({"../../x": b""}),
    "an absolute path": whole({"/etc/x": b""}),
    "a path that is not plain": whole({"a//x": b""}),
    "a version that is no number": whole(version="0"),
    "a version that nobody reaches": whole(version="1000000000"),
    "another digest": whole(change=lambda it: it["models"][0]["versions"][0].update(digest="0" * 64)),
    "another format": whole(change=lambda it: it.update(version=2)),
    "no records": whole(change=lambda it: it.clear()),
    "records of another form": whole(change=lambda it: it.update(models=[1])),
    "a file too large": header("models/mine/1/x", size=8 * 1024**3 - 1),
    "records too large": header("manifest.json", size=8 * 1024**3 - 1),
    "nothing": b"",
    "no tar": b"this is no backup" * 100,
}


def planned(there, demonstration=False):
    try:
        steps, anew = plan(records["models"][0], there, demonstration)
        return [anew, *([step.exists, sorted(step.missing)] for step in steps)]
    except Refused as error:
        return str(error)


same = {each["path"]: each["sha256"] for each in records["models"][0]["versions"][0]["files"]}
json.dump(
    {
        "whole": said(good) == records,
        "flipped": sum(map(unharmed, flipped)) / len(flipped),
        "cut": sum("damaged" in str(said(each)) for each in cut) / len(cut),
        "hostile": {name: said(data) for name, data in hostile.items()},
        "plans": {
            "nothing there": planned({}),
            "the same there": planned({"1": same}),
            "files missing there": planned({"1": {"MLmodel": same["MLmodel"]}}),
            "another there": planned({"1": same | {"MLmodel": "0" * 64}}),
            "more there": planned({"1": same | {"more": "0" * 64}}),
            "deleted there": planned({"2": {}}),
            "the demonstration there": planned({"1": {"MLmodel": "0" * 64}}, demonstration=True),
            "the same demonstration there": planned({"1": same}, demonstration=True),
        },
    },
    sys.stdout,
)
