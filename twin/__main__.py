"""`python -m twin`."""

from __future__ import annotations

import sys

from twin.cli.main import main

sys.exit(main())
