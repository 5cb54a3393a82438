"""Say what stands in the way of running the portal, and what to type."""

from __future__ import annotations


class Problem(Exception):
    """Carry a sentence for the person at the terminal, and the way out."""

    def __init__(self, sentence: str, *way_out: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.way_out = way_out

    def __str__(self) -> str:
        """Return the sentence, then one indented line for each thing to try."""
        return "\n".join([self.sentence, *(f"    {line}" for line in self.way_out)])
