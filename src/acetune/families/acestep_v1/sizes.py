"""Sizes of ACE-Step v1's network for the planner. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from acetune.planning.memory import NetworkSize


@dataclass(frozen=True)
class V1Size(NetworkSize):
    """Widths and counts that only this family has; see `acetune.families.acestep_v1.network.NetworkConfig`.

    Attributes:
        rows: Latent rows; `channels` is what a frame has in all of them.
        speaker_width, vocabulary: Of what is handed over beside the text.
        lyric_width, lyric_heads, lyric_units, lyric_layers: Of the lyric encoder.
        ssl_depth, ssl_widths: Of the projectors.
    """

    patch: int = 1
    frames_per_second: float = 44_100 / 4096
    window: int = 1_000_000  # every block sees all
    rows: int = 16
    speaker_width: int = 512
    vocabulary: int = 6693
    lyric_width: int = 1024
    lyric_heads: int = 16
    lyric_units: int = 4096
    lyric_layers: int = 6
    ssl_depth: int = 9
    ssl_widths: tuple[int, ...] = (1024, 768)
    time_width: int = 256

    @property
    def parameters(self) -> int:
        """Return the number of weights of the whole network."""
        d, lyric = self.hidden, self.lyric_width
        entry = self._patches + _dense(self.time_width, d) + _dense(d, d) + _dense(d, 6 * d)
        told = _dense(self.speaker_width, d) + _dense(self.condition_width, d) + _dense(lyric, d)
        projectors = sum(_dense(d, 2 * d) + _dense(2 * d, 2 * d) + _dense(2 * d, f) for f in self.ssl_widths)
        leave = _dense(d, self.channels) + 2 * d
        return entry + told + projectors + leave + self._lyrics + self.layers * self._block

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """Return (inputs, outputs) of the linear layers of one block."""
        d = self.hidden
        return (*((d, d),) * 8, (d, 2 * self.intermediate), (self.intermediate, d))

    @property
    def _patches(self) -> int:
        """Weights of the two patch convolutions and the norm between them."""
        between = self.channels // self.rows * 256
        return _dense(self.channels, between) + 2 * between + _dense(between, self.hidden)

    @property
    def _block(self) -> int:
        """Weights of one block; the convolution has three taps, the way out of the MLP no bias."""
        d, inner = self.hidden, self.intermediate
        return 8 * _dense(d, d) + _dense(d, 2 * inner) + 4 * 2 * inner + inner * d + 6 * d

    @property
    def _lyrics(self) -> int:
        """Weights of the lyric encoder and its embeddings."""
        width, units = self.lyric_width, self.lyric_units
        layer = 4 * _dense(width, width) + width * width + _dense(width, units) + _dense(units, width) + 6 * width
        return self.vocabulary * width + _dense(width, width) + 4 * width + self.lyric_layers * layer


def _dense(inputs: int, outputs: int) -> int:
    """Weights of a linear layer with bias."""
    return (inputs + 1) * outputs
