"""Opens a page in a headless Chromium that must not reach any network."""

import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_browser() -> str | None:
    """Return the browser's path, where there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def open_page(
    browser: str, page: Path, folder: Path, *flags: str
) -> subprocess.CompletedProcess[str]:
    """Open `page` with the flags; `folder` takes what the browser keeps."""
    profile = folder / "profile"
    profile.mkdir()
    return subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            "--log-level=0",
            f"--user-data-dir={profile}",
            *flags,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
