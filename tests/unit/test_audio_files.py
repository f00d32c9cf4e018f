import io
import struct

import av
import numpy as np
import pytest
import soundfile

from acetune.audio.files import AUDIO_SUFFIXES, probe, read, read_mono, write
from acetune.errors import DataError, NotWritable, SettingError

RATE = 48_000
FFMPEG = {
    ".m4a": ("ipod", "aac"),
    ".aac": ("adts", "aac"),
    ".wma": ("asf", "wmav2"),
}
SOUNDFILE = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".aiff": ("AIFF", "PCM_16"),
    ".aif": ("AIFF", "PCM_16"),
    ".mp3": ("MP3", None),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
}
CODINGS = {
    ".wav": "wav",
    ".flac": "flac",
    ".aiff": "aiff",
    ".aif": "aiff",
    ".mp3": "mp3",
    ".ogg": "vorbis",
    ".opus": "opus",
    ".m4a": "aac",
    ".aac": "aac",
    ".wma": "wmav2",
}


def tone(seconds=3.0, channels=2, rate=RATE, hertz=440.0):
    """A sine on the left and one a fifth higher, at half the level, on the right."""
    time = np.arange(round(seconds * rate)) / rate
    waves = [0.5 / n * np.sin(2 * np.pi * hertz * (1 + n) / 2 * time) for n in range(1, channels + 1)]
    return np.stack(waves, axis=1).astype(np.float32)


def encode(path, audio, rate=RATE, **options):
    """Write audio in the format of the suffix, with whichever library knows it."""
    if path.suffix in SOUNDFILE:
        coding, subtype = SOUNDFILE[path.suffix]
        with soundfile.SoundFile(path, "w", rate, audio.shape[1], options.get("subtype", subtype), format=coding) as f:
            f.write(audio)
    else:
        encode_with_ffmpeg(path, audio, rate, *FFMPEG[path.suffix])
    return path


def encode_with_ffmpeg(path, audio, rate, container, codec, options=None, codec_options=None):
    layout = "mono" if audio.shape[1] == 1 else "stereo"
    with av.open(str(path), "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, options=codec_options or {})
        stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.T), format="fltp", layout=layout)
        frame.sample_rate = rate
        size = {"wmav2": 2048, "libmp3lame": 1152}.get(codec, 1024)
        fit = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=size)
        for part in [*fit.resample(frame), *fit.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))


def level(wave, hertz, rate=RATE):
    """Amplitude of a sine in a wave."""
    return 2 * abs(np.mean(wave * np.exp(-2j * np.pi * hertz * np.arange(len(wave)) / rate)))


def refused(action):
    with pytest.raises(DataError) as error:
        action()
    assert error.value.message() and error.value.message("zh") != error.value.message()
    return error.value


@pytest.mark.parametrize("suffix", sorted(CODINGS))
def test_every_format_comes_back_in_stereo_at_the_asked_rate_with_its_level_and_length(tmp_path, suffix):
    path = encode(tmp_path / f"song{suffix}", tone())
    audio = read(path)
    middle = audio[RATE : 2 * RATE]

    assert audio.dtype == np.float32 and audio.shape[1] == 2
    assert abs(len(audio) / RATE - 3) < 0.05
    assert level(middle[:, 0], 440) == pytest.approx(0.5, abs=0.03)
    assert level(middle[:, 1], 660) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("suffix", sorted(CODINGS))
def test_a_probe_tells_length_rate_channels_and_coding(tmp_path, suffix):
    info = probe(encode(tmp_path / f"song{suffix}", tone()))

    assert info.seconds == pytest.approx(3, abs=0.06)
    assert (info.rate_hz, info.channels, info.format) == (RATE, 2, CODINGS[suffix])


def test_the_tested_formats_are_the_promised_ones():
    assert set(CODINGS) == AUDIO_SUFFIXES


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_another_rate_is_resampled_without_a_shift_in_time_or_pitch(tmp_path, suffix):
    path = encode(tmp_path / f"song{suffix}", tone(rate=44_100), rate=44_100)
    audio = read(path)[:, 0]
    expected = tone()[:, 0]
    middle = slice(RATE, 2 * RATE)

    assert abs(len(audio) - len(expected)) <= 0.05 * RATE
    assert np.abs(audio[middle] - expected[middle]).max() < 0.02


def test_resampling_in_blocks_equals_resampling_at_once(tmp_path):
    import soxr

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (44_100 * 8, 2)).astype(np.float32)
    path = encode(tmp_path / "noise.wav", noise, rate=44_100, subtype="FLOAT")

    assert np.abs(read(path) - soxr.resample(noise, 44_100, RATE, quality="HQ")).max() < 1e-5


def test_mono_is_doubled(tmp_path):
    path = encode(tmp_path / "mono.flac", tone(channels=1))
    audio = read(path)

    assert audio.shape == (3 * RATE, 2)
    assert np.array_equal(audio[:, 0], audio[:, 1])


def test_of_six_channels_the_first_two_are_kept(tmp_path):
    path = encode(tmp_path / "surround.wav", tone(channels=6), subtype="FLOAT")

    assert np.array_equal(read(path), tone(channels=6)[:, :2])


def test_one_channel_is_the_mean_of_all(tmp_path):
    path = encode(tmp_path / "song.wav", tone(), subtype="FLOAT")

    assert np.allclose(read_mono(path, RATE), tone().mean(axis=1), atol=1e-7)


def test_reading_stops_after_the_asked_length(tmp_path):
    path = encode(tmp_path / "song.flac", tone(seconds=8))

    assert len(read(path, max_seconds=2.5)) == 2.5 * RATE


def test_what_exceeds_full_scale_is_not_clipped(tmp_path):
    path = encode(tmp_path / "hot.wav", 4 * tone(), subtype="FLOAT")

    assert np.abs(read(path)).max() == pytest.approx(2, abs=1e-3)


def test_a_variable_rate_mp3_without_a_length_header_is_read_to_its_end(tmp_path):
    rng = np.random.default_rng(0)
    loud_then_faint = (
        rng.standard_normal((20 * RATE, 1)) * np.where(np.arange(20 * RATE) < 10 * RATE, 0.3, 1e-4)[:, None]
    )
    path = tmp_path / "old.mp3"
    no_header = {"write_xing": "0", "id3v2_version": "0"}
    with av.open(str(path), "w", format="mp3", options=no_header) as out:
        stream = out.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.codec_context.qscale = True
        stream.codec_context.global_quality = 2 * 118
        frame = av.AudioFrame.from_ndarray(loud_then_faint.T.astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = RATE
        fit = av.AudioResampler(format=stream.format, layout="mono", rate=RATE, frame_size=1152)
        for part in [*fit.resample(frame), *fit.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))

    assert probe(path).seconds == pytest.approx(20, abs=0.1)
    assert len(read(path)) / RATE == pytest.approx(20, abs=0.1)


def test_a_good_mp3_is_read_although_a_macos_shadow_file_lies_beside_it(tmp_path):
    path = encode(tmp_path / "song.mp3", tone())
    (tmp_path / "._song.mp3").write_bytes(b"\x00\x05\x16\x07" + bytes(4092))

    assert probe(path).seconds == pytest.approx(3, abs=0.06)
    assert len(read(path)) / RATE == pytest.approx(3, abs=0.06)


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".wav", ".m4a"])
@pytest.mark.parametrize("content", [b"these are words, not music\n" * 40, b"", b"\x00" * 5000])
def test_what_is_no_audio_is_refused_whatever_its_suffix(tmp_path, suffix, content):
    path = tmp_path / f"song{suffix}"
    path.write_bytes(content)

    assert refused(lambda: read(path)).code == "audio.unreadable"
    assert refused(lambda: probe(path)).code == "audio.unreadable"


@pytest.mark.parametrize("script", ["ffconcat version 1.0\nfile target.aac\n", "#EXTM3U\n#EXTINF:3,\ntarget.aac\n"])
def test_a_playlist_in_disguise_opens_nothing(tmp_path, monkeypatch, script):
    encode(tmp_path / "target.aac", tone())
    (tmp_path / "song.mp3").write_text(script)
    monkeypatch.chdir(tmp_path)

    assert refused(lambda: read(tmp_path / "song.mp3")).code == "audio.unreadable"


@pytest.mark.parametrize("path", ["missing.wav", "."])
def test_a_file_that_cannot_be_opened_is_refused_with_the_reason(tmp_path, path):
    error = refused(lambda: read(tmp_path / path))

    assert error.code == "audio.unreadable"
    assert "irectory" in error.message()


def test_a_truncated_flac_is_refused_with_both_lengths(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (8 * RATE, 2)).astype(np.float32)
    path = encode(tmp_path / "song.flac", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    error = refused(lambda: read(path))

    assert error.code == "audio.truncated"
    assert error.params["announced"] == "8.0"
    assert 2 < float(error.params["readable"]) < 4.1


def test_the_readable_part_of_a_truncated_flac_can_be_asked_for(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (20 * RATE, 2)).astype(np.float32)
    path = encode(tmp_path / "song.flac", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert len(read(path, max_seconds=4)) == 4 * RATE


def test_an_mp3_whose_download_broke_off_is_refused(tmp_path):
    path = encode(tmp_path / "song.mp3", tone(seconds=8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert refused(lambda: read(path)).code == "audio.truncated"


def test_an_m4a_whose_download_broke_off_is_refused(tmp_path):
    path = tmp_path / "song.m4a"
    encode_with_ffmpeg(path, tone(seconds=8), RATE, "ipod", "aac", options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert refused(lambda: read(path)).code == "audio.truncated"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, value):
    audio = tone()
    audio[RATE, 1] = value
    path = encode(tmp_path / "song.wav", audio, subtype="FLOAT")

    assert refused(lambda: read(path)).code == "audio.not_finite"


def test_a_file_without_samples_is_refused(tmp_path):
    path = encode(tmp_path / "song.wav", tone()[:0])

    assert refused(lambda: read(path)).code == "audio.empty"


@pytest.mark.parametrize(("suffix", "error"), [(".wav", 2**-15), (".flac", 2**-23), (".ogg", 0.02)])
def test_what_is_written_reads_back(tmp_path, suffix, error):
    path = tmp_path / f"new/song{suffix}"
    write(path, tone())

    assert np.abs(read(path) - tone()).max() <= error
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_long_ogg_is_written_without_crashing(tmp_path):
    path = tmp_path / "long.ogg"
    write(path, np.tile(tone(seconds=10)[:, :1], (13, 1)))

    assert probe(path).seconds == pytest.approx(130)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_a_written_file_names_acetune_and_carries_the_comment(tmp_path, suffix):
    path = tmp_path / f"song{suffix}"
    write(path, tone(), comment="generated: yes")
    with soundfile.SoundFile(path) as file:
        tags = file.copy_metadata()

    assert tags["software"].startswith("acetune")
    assert tags["comment"] == "generated: yes"


def test_the_same_audio_gives_the_same_bytes(tmp_path):
    write(tmp_path / "a.flac", tone())
    write(tmp_path / "b.flac", tone())

    assert (tmp_path / "a.flac").read_bytes() == (tmp_path / "b.flac").read_bytes()


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_wav_and_flac_clip_instead_of_wrapping_around(tmp_path, suffix):
    path = tmp_path / f"song{suffix}"
    write(path, 3 * tone())

    assert np.abs(read(path) - np.clip(3 * tone(), -1, 1)).max() < 1e-4


def test_an_unknown_output_suffix_is_refused_by_name(tmp_path):
    with pytest.raises(SettingError) as error:
        write(tmp_path / "song.m4a", tone())

    assert error.value.code == "audio.bad_output"
    assert ".wav, .flac, .mp3, .ogg" in str(error.value)


def test_audio_that_is_no_number_is_not_written(tmp_path):
    assert refused(lambda: write(tmp_path / "song.wav", tone() * np.float32(np.nan))).code == "audio.not_finite"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(NotWritable):
        write(tmp_path / "out/song.wav", tone())


def test_a_flac_whose_header_tells_no_length_is_read_whole(tmp_path):
    path = encode(tmp_path / "stream.flac", tone())
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the 36 bits of the sample count in STREAMINFO
    data[22:26] = bytes(4)
    path.write_bytes(data)

    assert len(read(path)) == 3 * RATE
    assert probe(path).seconds == pytest.approx(3, abs=0.06)


def test_a_wav_of_a_stream_with_no_length_is_read_whole(tmp_path):
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(), RATE, format="WAV", subtype="PCM_16")
    data = bytearray(buffer.getvalue())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    path = tmp_path / "stream.wav"
    path.write_bytes(data)

    assert len(read(path)) == 3 * RATE
