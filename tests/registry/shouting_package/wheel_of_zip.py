"""A build backend that needs nothing installed: it zips the package up, with what its pyproject.toml says."""

import base64
import hashlib
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).parent


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    files = {f"{path.relative_to(HERE)}": path.read_bytes() for path in HERE.glob("*/*.py")}
    files |= {f"{stem}.dist-info/{name}": text.encode() for name, text in described(project)}
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},sha256={digest_of(content)},{len(content)}" for name, content in files.items()]
    with zipfile.ZipFile(Path(wheel_directory, f"{stem}-py3-none-any.whl"), "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
        wheel.writestr(record, "\n".join([*lines, f"{record},,", ""]))
    return f"{stem}-py3-none-any.whl"


def described(project):
    yield "METADATA", f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    yield "WHEEL", "Wheel-Version: 1.0\nGenerator: wheel_of_zip\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    groups = project["entry-points"].items()
    points = (f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in each.items()) for group, each in groups)
    yield "entry_points.txt", "\n".join(points)


def digest_of(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
