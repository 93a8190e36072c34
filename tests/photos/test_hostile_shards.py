"""Tar shards made to hurt: one line each, within bounds of memory and time, and nothing is ever unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

resource = pytest.importorskip("resource", reason="only where a process can be limited")

MIB = 1 << 20
MOST_MEMORY, MOST_SECONDS = 600 * MIB, 60


def encoded(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (20, 16), shade).save(stream, "PNG")
    return stream.getvalue()


PHOTOS = [(f"{number}.png", encoded(40 * number)) for number in range(1, 6)]


def member(
    name: str, data: bytes = b"", size: int | None = None, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> bytes:
    """One member as tar writes it; `size` is what its header claims."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data) if size is None else size, kind, link
    info.devmajor, info.devminor = (1, 5) if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE) else (0, 0)
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512)


SOUND = b"".join(member(name, data) for name, data in PHOTOS)
END = bytes(1024)
PNG = encoded(99)


def sparse(size: int) -> bytes:
    """A member of holes: GNU's old form, of 512 bytes at the beginning of `size`."""
    header = bytearray(member("bomb.png", size=512, kind=tarfile.GNUTYPE_SPARSE)[:512])
    header[386:410] = b"%011o\0%011o\0" % (0, 512)
    header[483:495] = (b"%011o\0" % size) if size < 1 << 33 else b"\x80" + size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + PNG.ljust(512, b"\0")


def pax(**values: str) -> bytes:
    lines = b""
    for key, value in values.items():
        body = f" {key.replace('__', '.')}={value}\n".encode("utf-8", "surrogateescape")
        length = len(body) + 1
        while len(str(length)) + len(body) != length:
            length += 1
        lines += str(length).encode() + body
    return member("pax", lines, kind=tarfile.XHDTYPE)


def zeros_behind(data: bytes, count: int, pack: Callable[[bytes], bytes]) -> bytes:
    """Packed data with many MiB of zeros behind, made without holding them unpacked."""
    return pack(data) + pack(bytes(MIB)) * count


HOSTILE: dict[str, Callable[[], bytes]] = {
    "absolute paths": lambda: SOUND + member("/etc/owned.png", PNG) + member("//owned.png", PNG) + END,
    "paths that lead out": lambda: SOUND + member("../owned.png", PNG) + member("a/../../owned.png", PNG) + END,
    "links": lambda: (
        SOUND
        + member("link.png", kind=tarfile.SYMTYPE, link="/etc/passwd")
        + member("hard.png", kind=tarfile.LNKTYPE, link="1.png")
        + END
    ),
    "devices": lambda: (
        SOUND
        + b"".join(member(f"{k!r}.png", kind=k) for k in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE))
        + END
    ),
    "10 GB declared": lambda: SOUND + member("huge.png", PNG, size=10 << 30) + END,
    "negative size": lambda: SOUND + pax(size="-512") + member("a.png", PNG) + END,
    "name of 10 GB": lambda: SOUND + member("././@LongLink", b"x", size=10 << 30, kind=tarfile.GNUTYPE_LONGNAME) + END,
    "names of names": lambda: SOUND + member("././@LongLink", b"x", kind=tarfile.GNUTYPE_LONGNAME) * 3000 + END,
    "sparse bomb": lambda: SOUND + sparse(10 << 30) + END,
    "sparse bombs below the limit": lambda: (
        SOUND
        + b"".join(
            member(f"{number}.png", kind=tarfile.DIRTYPE)
            + sparse(500 * MIB)
            + pax(path=f"{number}.png")
            + sparse(500 * MIB)
            for number in range(9)
        )
        + END
    ),
    "sparse by pax": lambda: (
        SOUND
        + pax(
            GNU__sparse__major="1",
            GNU__sparse__minor="0",
            GNU__sparse__name="b.png",
            GNU__sparse__realsize=str(10 << 30),
        )
        + member("b.png", b"1\n0\n5\nhello")
        + END
    ),
    "sparse of nonsense": lambda: (
        SOUND + pax(GNU__sparse__map="1,x,3", GNU__sparse__size="y") + member("b.png", PNG) + END
    ),
    "pax of nonsense": lambda: (
        SOUND + member("pax", b"99999999999 path=a\n", kind=tarfile.XHDTYPE) + member("b.png") + END
    ),
    "truncated": lambda: (SOUND + member("late.png", PNG * 40))[:-900],
    "gzip in disguise": lambda: gzip.compress(SOUND + END),
    "bzip2 in disguise": lambda: bz2.compress(SOUND + END),
    "gzip truncated": lambda: gzip.compress(SOUND + END)[:-60],
    "gzip bomb": lambda: zeros_behind(SOUND + member("huge.png", size=3000 * MIB), 3000, lambda d: gzip.compress(d, 1)),
    "gzip bomb of a name": lambda: zeros_behind(
        SOUND + member("././@LongLink", size=3000 * MIB, kind=tarfile.GNUTYPE_LONGNAME),
        3000,
        lambda d: gzip.compress(d, 1),
    ),
    "xz bomb": lambda: zeros_behind(
        SOUND + member("huge.png", size=3000 * MIB), 3000, lambda d: lzma.compress(d, preset=0)
    ),
    "100,000 empty members": lambda: SOUND + b"".join(member(f"{n}.jpg") for n in range(100_000)) + END,
    "escape sequences": lambda: SOUND + member("\x1b]0;owned\x07\x1b[2J.png", PNG) + member("a\nb.png", b"no") + END,
    "surrogates": lambda: SOUND + member("\udcff\udc80.png", PNG) + member("\udcfe.png", b"no") + END,
    "right to left": lambda: SOUND + member("\u202egnp.exe.png", PNG) + END,
    "names twice": lambda: SOUND + member("1.png", b"no") + member("./1.png", PNG) + END,
    "a name of 200,000 letters": lambda: (
        SOUND
        + member("././@LongLink", b"x" * 200_000 + b".png", kind=tarfile.GNUTYPE_LONGNAME)
        + member("x", PNG)
        + END
    ),
    "nothing": lambda: b"",
    "zeros": lambda: bytes(20_000),
    "noise behind": lambda: SOUND + bytes(range(256)) * 40,
}

READ = """
import json, sys, time
from pathlib import Path
from colorrt.bench.cold import peak_rss
from colorrt.errors import ColorrtError
from colorrt.photos.finding import find_entries, read_entry
from colorrt.photos.reading import read_rgb_photos
found = {"said": [], "read": 0, "refused": 0}
try:
    for _ in read_rgb_photos(Path(sys.argv[1]), lambda *_: found.__setitem__("refused", found["refused"] + 1)):
        found["read"] += 1
except ColorrtError as error:
    found["said"].append(str(error))
for entry in find_entries([Path(sys.argv[1]).parent], on_skip=found["said"].append):
    try:
        read_entry(entry)
    except (OSError, ValueError) as error:
        found["said"].append(str(error))
found["peak"] = peak_rss()
json.dump(found, sys.stdout)
"""


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_shard_is_read_or_refused_in_one_line_within_bounds(tmp_path: Path, name: str) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    (place / "shard.tar").write_bytes(HOSTILE[name]())
    before = sorted(tmp_path.rglob("*"))
    with (tmp_path.parent / "said").open("w+") as out, (tmp_path.parent / "errors").open("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", READ, str(place / "shard.tar")],
            stdout=out, stderr=errors, preexec_fn=limited, cwd=place,  # noqa: PLW1509 (it only sets a limit)
        )  # fmt: skip
        process.wait()
        out.seek(0)
        errors.seek(0)
        said, wrong = out.read(), errors.read()
    assert (process.returncode, wrong) == (0, "")
    found = json.loads(said)
    assert found["read"] >= 5 or found["said"], found
    for line in found["said"]:
        assert "\n" not in line
        assert len(line) < 600 + len(str(place))
    assert sorted(tmp_path.rglob("*")) == before
    assert found["peak"] < MOST_MEMORY, f"{found['peak'] >> 20} MiB"
