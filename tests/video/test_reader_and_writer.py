"""Videos through files: nothing but the picture changes, and whatever is no video is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import camera, filmed, portrait, write_clip
from PIL import Image

from reage.arrays import UInt8
from reage.errors import VideoError
from reage.photo.files import Provenance, read_provenance
from reage.video.coding import KEEPS_TURNS
from reage.video.reader import Frame, open_video
from reage.video.retouch import _copied
from reage.video.writer import can_attach, can_hold, create_video

MARK = Provenance(tool="reage 0", model="model 1", faces=((30, 70),))


@pytest.fixture(scope="module")
def frames() -> list[UInt8]:
    return filmed(portrait("house_karen-bass"), camera(12, 320))


def rewrite(source: Path, target: Path) -> Path:
    """A video through reader and writer, unedited."""
    with open_video(source) as video:
        copied = [stream for stream in video.copied if can_hold(target.suffix, stream)]
        attached = video.attachments if can_attach(target.suffix) else []
        with create_video(
            target, target.suffix, video.coding, MARK, copied=copied, attached=attached
        ) as writer:
            for frame in video.frames():
                writer.write(frame.pixels, frame.pts, frame.duration)
            for packet in video.packets(copied):
                writer.copy(packet)
    return target


def packets(path: Path, kind: str, number: int = 0) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = [s for s in container.streams if s.type == kind][number]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def seen(path: Path) -> list[Frame]:
    with open_video(path) as video:
        return list(video.frames())


def times(path: Path) -> list[float]:
    with open_video(path) as video:
        return [float(frame.pts * video.coding.time_base) for frame in video.frames()]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_frames_and_times_survive(frames: list[UInt8], tmp_path: Path, suffix: str) -> None:
    source = write_clip(tmp_path / "in.mp4", frames)
    target = rewrite(source, tmp_path / f"out{suffix}")
    assert packets(target, "audio") == packets(source, "audio")
    assert len(packets(source, "audio")) > 20
    # Matroska has no negative times, which AAC begins with: there all streams move by that together.
    late = times(target)[0] - times(source)[0]
    assert late == pytest.approx(1024 / 44100 if suffix == ".mkv" else 0, abs=0.001)
    assert times(target) == pytest.approx([time + late for time in times(source)], abs=0.0015)
    for before, after in zip(seen(source), seen(target), strict=True):
        assert np.abs(before.pixels.astype(int) - after.pixels).mean() < 3
    with av.open(str(target)) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(12, abs=0.01)
        assert "AI-edited" in str(
            {key.lower(): value for key, value in container.metadata.items()}["comment"]
        )


def test_a_varying_rate_stays(frames: list[UInt8], tmp_path: Path) -> None:
    moments = [0, 40, 80, 300, 340, 500, 520, 900, 910, 1000, 1500, 1533]
    source = write_clip(tmp_path / "in.mp4", frames, times=moments, tone=False)
    target = rewrite(source, tmp_path / "out.mp4")
    assert times(target) == pytest.approx([moment / 1000 for moment in moments], abs=0.001)


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_turned_video_is_edited_upright_and_stays_turned(
    frames: list[UInt8], tmp_path: Path, quarters: int, suffix: str
) -> None:
    lying = [np.ascontiguousarray(np.rot90(frame, -quarters)) for frame in frames[:3]]
    source = write_clip(tmp_path / "in.mp4", lying, quarters=quarters, tone=False)
    target = rewrite(source, tmp_path / f"out{suffix}")
    for path in (source, target):
        for shown, frame in zip(seen(path), frames, strict=False):
            assert shown.pixels.shape == frame.shape
            assert np.abs(shown.pixels.astype(int) - frame).mean() < 4
    if KEEPS_TURNS:
        with av.open(str(target)) as container:
            coded = next(container.decode(video=0))
            assert (coded.height, coded.width) == lying[0].shape[:2]
            assert coded.rotation % 360 == 90 * quarters


def deep_clip(path: Path, codec: str, pixel_format: str) -> list[Any]:
    """Write three grey ramps of 10 bits, each a level of 1023 brighter than the one before; returns their samples."""
    samples = [
        np.tile(np.linspace(64, 900, 320) + number, (240, 1)).astype(np.uint16) << 6 for number in range(3)
    ]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=12, options={"crf": "1", "x265-params": "log-level=none"})
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = 320, 240, pixel_format
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, 16  # BT.2020, PQ
        for grey in samples:
            pixels = np.repeat(grey[..., None], 3, 2)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le")
            container.mux(stream.encode(frame.reformat(format=pixel_format, dst_colorspace=9)))
        container.mux(stream.encode(None))
    return samples


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_ten_bits_stay_ten_bits(tmp_path: Path, suffix: str) -> None:
    samples = deep_clip(tmp_path / "in.mkv", "libx265", "yuv420p10le")
    target = rewrite(tmp_path / "in.mkv", tmp_path / f"out{suffix}")
    with av.open(str(target)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("hevc", "yuv420p10le")
        assert (context.colorspace, context.color_primaries, context.color_trc) == (9, 9, 16)
        assert suffix == ".mkv" or context.codec_tag == "hvc1"
    for frame, expected in zip(seen(target), samples, strict=True):
        assert frame.pixels.dtype == np.uint16
        error = (frame.pixels.astype(int) - expected[..., None]) / 64
        assert np.abs(error).mean() < 1.5  # levels of 1023
        assert len(np.unique(frame.pixels[120, :, 1] >> 6)) > 256


def test_further_pictures_and_attachments_are_kept_or_told(frames: list[UInt8], tmp_path: Path) -> None:
    plain = write_clip(tmp_path / "plain.mp4", frames[:3], tone=False)
    source = tmp_path / "in.mkv"
    with av.open(str(plain)) as video, av.open(str(source), "w") as container:
        angles = [container.add_stream_from_template(video.streams.video[0]) for _ in range(2)]
        angles[1].metadata["title"] = "Other angle"
        container.add_attachment("letters.ttf", "font/ttf", b"letters" * 9)
        for packet in video.demux():
            if packet.dts is not None:
                for stream in angles:
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                    copy.is_keyframe, copy.stream = packet.is_keyframe, stream
                    container.mux(copy)
    outcome = {}
    for suffix in (".mkv", ".mp4"):
        with open_video(source) as opened:
            copied, notes = _copied(opened, tmp_path / f"out{suffix}")
            outcome[suffix] = ([stream.type for stream in copied], notes)
    assert outcome[".mkv"] == (["video"], [])
    assert outcome[".mp4"][0] == ["video"]
    assert outcome[".mp4"][1] == [
        "its attached files (letters.ttf) were left out: .mp4 cannot hold them; try .mkv"
    ]
    target = rewrite(source, tmp_path / "out.mkv")
    with av.open(str(target)) as container:
        _, second, font = container.streams
        assert (second.type, second.metadata["title"], font.type) == ("video", "Other angle", "attachment")
        assert (font.name, font.mimetype, font.data) == ("letters.ttf", "font/ttf", b"letters" * 9)
    assert packets(target, "video", 1) == packets(source, "video", 1) != []


def test_a_cover_is_kept_or_told(frames: list[UInt8], tmp_path: Path) -> None:
    plain, cover = write_clip(tmp_path / "plain.mp4", frames[:3], tone=False), tmp_path / "cover.png"
    Image.fromarray(frames[0]).save(cover)
    source = tmp_path / "in.mp4"
    with (
        av.open(str(plain)) as video,
        av.open(str(cover)) as picture,
        av.open(str(source), "w") as container,
    ):
        pairs = [(each, container.add_stream_from_template(each.streams[0])) for each in (video, picture)]
        pairs[1][1].disposition = Disposition.attached_pic.value
        for each, stream in pairs:
            for packet in each.demux():
                if packet.size:
                    packet.stream = stream
                    container.mux(packet)
    target = rewrite(source, tmp_path / "out.mp4")
    assert packets(target, "video", 1) == [cover.read_bytes()]
    assert len(seen(target)) == 3
    with av.open(str(target)) as container:
        assert container.streams[1].disposition & Disposition.attached_pic
    with open_video(source) as opened:
        assert _copied(opened, tmp_path / "out.mkv") == (
            [],
            ["its cover (png) was left out: .mkv cannot hold it"],
        )


def test_marks_are_xmp_in_mp4_and_mov(frames: list[UInt8], tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", frames[:2], tone=False)
    for suffix in (".mp4", ".mov"):
        mark = read_provenance(rewrite(source, tmp_path / f"out{suffix}"))
        assert mark is not None
        assert mark["digital_source_type"].endswith("compositeWithTrainedAlgorithmicMedia")
        assert mark["faces"] == [{"source_age": 30, "target_age": 70}]
        assert read_provenance(source) is None


def test_odd_sides_and_colour_tags(frames: list[UInt8], tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    odd = [np.ascontiguousarray(frame[:239, :319]) for frame in frames[:3]]
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=12, options={"crf": "10"})
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = 319, 239, "yuv444p"
        context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1
        context.color_range = 1
        for pixels in odd:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format="yuv444p", dst_colorspace=1, dst_color_range=1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    target = rewrite(source, tmp_path / "out.mp4")
    with av.open(str(target)) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == (320, 240)
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
    for frame, pixels in zip(seen(target), odd, strict=True):
        assert np.abs(frame.pixels[:239, :319].astype(int) - pixels).mean() < 3


def test_subtitles_are_copied_where_they_fit(frames: list[UInt8], tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    plain = write_clip(tmp_path / "plain.mp4", frames)
    text = tmp_path / "text.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:00,500\nFace ageing\n")
    with av.open(str(plain)) as video, av.open(str(text)) as words, av.open(str(source), "w") as out:
        for container in (video, words):
            copies = {stream.index: out.add_stream_from_template(stream) for stream in container.streams}
            if container is video:
                mapping: dict[Any, Any] = {("v", k): v for k, v in copies.items()}
            else:
                mapping |= {("s", k): v for k, v in copies.items()}
        for key, container in (("v", video), ("s", words)):
            for packet in container.demux():
                if packet.dts is not None:
                    packet.stream = mapping[key, packet.stream_index]
                    out.mux(packet)
    target = rewrite(source, tmp_path / "out.mkv")
    assert packets(target, "subtitle") == packets(source, "subtitle") != []
    with open_video(source) as opened:
        (words_stream,) = [stream for stream in opened.copied if stream.type == "subtitle"]
        assert can_hold(".mkv", words_stream)
        assert not can_hold(".mp4", words_stream)


def with_two_voices(path: Path, frames: list[UInt8]) -> Path:
    """A Matroska file with sound in two languages."""
    plain = write_clip(path.with_name("plain.mp4"), frames)
    with av.open(str(plain)) as video, av.open(str(path), "w") as out:
        picture, sound = (next(s for s in video.streams if s.type == kind) for kind in ("video", "audio"))
        shown = out.add_stream_from_template(picture)
        shown.metadata.update(language="eng", title="Main", BPS="5", NUMBER_OF_FRAMES="7")
        voices = [out.add_stream_from_template(sound) for _ in range(2)]
        voices[0].metadata.update(language="fra", title="Commentary")
        voices[1].metadata.update(language="jpn", title="Original")
        voices[0].disposition = Disposition.comment.value
        shown.disposition = voices[1].disposition = Disposition.default.value
        for packet in video.demux():
            if packet.dts is None:
                continue
            for stream in voices if packet.stream_index == sound.index else [shown]:
                copy = av.Packet(bytes(packet))
                copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
                copy.time_base, copy.is_keyframe, copy.stream = packet.time_base, packet.is_keyframe, stream
                out.mux(copy)
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_tracks_keep_their_languages_titles_and_flags(
    frames: list[UInt8], tmp_path: Path, suffix: str
) -> None:
    source = rewrite(with_two_voices(tmp_path / "in.mkv", frames), tmp_path / f"one{suffix}")
    with av.open(str(rewrite(source, tmp_path / f"out{suffix}"))) as container:
        picture, *voices = container.streams
        assert [stream.language for stream in container.streams] == ["eng", "fra", "jpn"]
        defaults = [stream.disposition & Disposition.default for stream in container.streams]
        assert [bool(flag) for flag in defaults] == [True, False, True]
        assert not {"BPS", "NUMBER_OF_FRAMES"} & set(picture.metadata)
        titles = [stream.metadata["title" if suffix == ".mkv" else "name"] for stream in container.streams]
        assert titles == ["Main", "Commentary", "Original"]
        assert suffix == ".mov" or voices[0].disposition == Disposition.comment


def test_sound_of_an_unknown_kind_is_told(frames: list[UInt8], tmp_path: Path) -> None:
    source = with_two_voices(tmp_path / "in.mkv", frames)
    head, tail = source.read_bytes().rsplit(b"A_AAC", 1)
    source.write_bytes(head + b"A_XYZ" + tail)
    with open_video(source) as video:
        assert [stream.language for stream in video.copied] == ["fra"]
        assert [stream.language for stream in video.unknown] == ["jpn"]
    assert len(packets(rewrite(source, tmp_path / "out.mkv"), "audio")) > 20


def test_a_colon_in_a_name_is_no_protocol(
    frames: list[UInt8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "plain.mp4", frames[:3]).rename("a:b.mp4")
    assert len(seen(rewrite(Path("a:b.mp4"), Path("c:d.mp4")))) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a:b.mp4", "c:d.mp4"]


def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path, portrait: Path) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(bytes(range(256)) * 40)
    sound = tmp_path / "sound.m4a"
    with av.open(str(sound), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        block.sample_rate = 44100
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    empty = tmp_path / "empty.mp4"
    empty.touch()
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/clip.ts\n")
    unknown = write_clip(tmp_path / "unknown.mkv", [np.zeros((64, 64, 3), np.uint8)])
    unknown.write_bytes(unknown.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/???"))
    ends = {
        unknown: "no video in it that can be decoded",
        tmp_path / "absent.mp4": "does not exist",
        tmp_path: "is a folder",
        tmp_path / ("x" * 300): "name too long",
        noise: "not a video",
        empty: "not a video",
        sound: "no video in it",
        portrait: "a photo",
        playlist: "not a video",
    }
    for path, message in ends.items():
        with pytest.raises(VideoError, match=message) as caught, open_video(path):
            pass
        assert "\n" not in str(caught.value)


def test_a_video_cut_short_gives_what_there_is(frames: list[UInt8], tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", frames, tone=False)
    content = whole.read_bytes()
    short = tmp_path / "short.mkv"
    short.write_bytes(content[: len(content) * 2 // 3])
    shown = seen(short)
    assert 0 < len(shown) < len(frames)
    for frame, pixels in zip(shown, frames, strict=False):
        assert np.abs(frame.pixels.astype(int) - pixels).mean() < 4
    hurt = tmp_path / "hurt.mkv"
    shutil.copy(whole, hurt)
    middle = len(content) // 2
    hurt.write_bytes(content[:middle] + bytes(400) + content[middle + 400 :])
    first = seen(hurt)[0]
    assert np.abs(first.pixels.astype(int) - frames[0]).mean() < 4


def test_a_gif_is_a_video_too(frames: list[UInt8], tmp_path: Path) -> None:
    path = tmp_path / "in.gif"
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=others, duration=100)
    assert len(seen(path)) == len(frames)


def test_frames_too_large_are_refused(
    frames: list[UInt8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_clip(tmp_path / "source.mp4", frames[:2])
    monkeypatch.setattr("reage.video.reader.MAX_PIXELS", 320 * 240 - 1)
    with pytest.raises(VideoError, match="320 x 240 pixels, more than the limit"), open_video(source):
        pass


def test_tags_that_are_no_text_are_read_all_the_same(frames: list[UInt8], tmp_path: Path) -> None:
    source = write_clip(tmp_path / "source.mp4", frames)
    content = source.read_bytes()
    assert b"Lavf" in content
    source.write_bytes(content.replace(b"Lavf", b"\xff\xfe\xfd\xfc"))
    with open_video(source) as video:
        assert len(list(video.frames())) == len(frames)
