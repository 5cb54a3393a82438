"""Frames as they are made, whoever they are for."""

from __future__ import annotations

import pytest

from marketdata.hub.frames import Frame


class Made:
    """The texts of all frames that were made, once for each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        begin = Frame.__init__

        def note(frame: Frame, text: str) -> None:
            self.texts.append(text)
            begin(frame, text)

        monkeypatch.setattr(Frame, "__init__", note)

    def count(self, kind: str, channel: str, *, of: str = "") -> int:
        """Return how often a frame of a kind and channel was made, of those that say something."""
        return sum(f'"type":"{kind}","ch":"{channel}"' in text and of in text for text in self.texts)
