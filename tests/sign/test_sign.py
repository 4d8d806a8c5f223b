"""Signed with a chain made here, verified, changed, encoded again, stripped: what `reage verify` says each time."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from certificates import DAY, Chain, make_chain
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from PIL import Image

from reage import Reager
from reage.cli.main import main
from reage.errors import PhotoError, SignatureError
from reage.photo.files import MAX_PIXELS, read_photo, write_photo
from reage.photo.provenance import DIGITAL_SOURCE_TYPE, Provenance
from reage.sign.signer import MEDIA_TYPES, Signer
from reage.sign.verifying import verify_file

MARK = Provenance("reage 0.1.0", "some-model 1", ((40.0, 70.0),))


def reage(*arguments: Any, **environment: Any) -> Result:
    env = {name: str(value) for name, value in environment.items()}
    return CliRunner().invoke(main, [str(a) for a in arguments], env=env)


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="session")
def signer(chain: Chain) -> Signer:
    return Signer.load(chain.certificate, chain.key)


@pytest.fixture(scope="session")
def signed_film(
    reager: Reager, chain: Chain, portrait: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A signed MP4 film of a few frames."""
    path = tmp_path_factory.mktemp("film") / "life.mp4"
    done = reage(
        "film", portrait, "--seconds", 0.5, "--side", 256, "-o", path, "--sign", chain.certificate, chain.key
    )
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture
def signed(photo: Path, chain: Chain) -> Path:
    done = reage("photo", photo, "--to", 70, "--sign", chain.certificate, chain.key)
    assert done.exit_code == 0, done.output
    return photo.with_name("me-70.jpg")


def test_a_signed_photo_says_who_made_what_of_which_original(signed: Path, chain: Chain) -> None:
    statement = verify_file(signed, trust=chain.authority)
    found = statement.credentials
    assert found is not None
    assert found.state == "trusted"
    assert (found.signer, found.organisation) == ("Jane Doe", "Example Studio")
    assert found.problems == ()
    opened, edited = found.steps
    assert opened == "opened me.jpg"
    assert edited.startswith("edited by reage")
    assert DIGITAL_SOURCE_TYPE.rpartition("/")[2] in edited
    assert statement.mark is not None
    assert statement.mark["tool"] == "reage " + statement.mark["version"]


def test_the_credentials_hold_ages_model_and_a_picture_of_the_original(signed: Path, tmp_path: Path) -> None:
    import c2pa

    with c2pa.Reader(signed) as reader:
        manifest = reader.get_active_manifest()
        picture = tmp_path / "thumbnail.jpg"
        with open(picture, "wb") as file:
            reader.resource_to_stream(manifest["ingredients"][0]["thumbnail"]["identifier"], file)
    (actions,) = (
        a["data"]["actions"] for a in manifest["assertions"] if a["label"].startswith("c2pa.actions")
    )
    said = actions[1]["parameters"]
    assert actions[1]["action"] == "c2pa.edited"
    assert said["reage.faces"][0]["target_age"] == 70
    assert said["reage.model"]
    with Image.open(picture) as thumbnail, Image.open(signed.with_name("me.jpg")) as original:
        assert thumbnail.size == original.size


def test_without_an_authority_it_is_valid_and_not_trusted(signed: Path) -> None:
    done = reage("verify", signed)
    assert done.exit_code == 0
    assert "the file is unchanged since it was signed" in done.output
    assert "--trust" in done.output
    assert "Jane Doe (Example Studio)" in done.output
    (entry,) = json.loads(reage("verify", signed, "--json").stdout)
    assert entry["credentials"]["state"] == "valid"
    assert entry["mark"]["faces"][0]["target_age"] == 70


@pytest.mark.parametrize("place", [0.5, 0.99])
def test_one_changed_byte_is_told(signed: Path, place: float) -> None:
    data = bytearray(signed.read_bytes())
    data[int(len(data) * place)] ^= 1
    signed.write_bytes(data)
    done = reage("verify", signed)
    assert done.exit_code == 1
    assert "they cannot be relied on; the file was changed after it was signed" in done.output


def test_a_changed_mark_is_told(signed: Path) -> None:
    data = signed.read_bytes()
    before, after = b'reage:TargetAge="70.0"', b'reage:TargetAge="50.0"'
    assert data.count(before) == 1
    signed.write_bytes(data.replace(before, after))
    assert verify_file(signed).is_contradicted


def test_changed_credentials_are_told(signed: Path) -> None:
    data = signed.read_bytes()
    assert data.count(b"Faces were made older") == 1
    signed.write_bytes(data.replace(b"Faces were made older", b"Faces were left alone"))
    done = reage("verify", signed)
    assert done.exit_code == 1
    assert "the credentials were changed after they were signed" in done.output


def test_encoded_again_nothing_is_left(signed: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jpg"
    with Image.open(signed) as image:
        image.save(again)
    done = reage("verify", again)
    assert done.exit_code == 0
    assert "Content Credentials: none." in done.output
    assert "proves nothing" in done.output


def test_stripped_of_credentials_the_mark_is_left(signed: Path) -> None:
    write_photo(read_photo(signed), signed, mark=None, overwrite=True)
    statement = verify_file(signed)
    assert statement.credentials is None
    assert statement.mark is not None


def test_pixels_are_the_same_signed_or_not(signed: Path, photo: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.jpg"
    assert reage("photo", photo, "--to", 70, "-o", plain).exit_code == 0
    assert (read_photo(plain).pixels == read_photo(signed).pixels).all()


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".heic"])
def test_every_format_of_photos(reager: Reager, signer: Signer, photo: Path, suffix: str) -> None:
    place = photo.with_suffix(suffix)
    reager.open(photo).age(to=70).save(place, signer=signer)
    statement = verify_file(place)
    assert statement.mark is not None
    assert statement.credentials is not None
    assert statement.credentials.state == "valid"


def test_a_photo_from_memory_and_one_of_a_kind_that_c2pa_does_not_read(
    reager: Reager, signer: Signer, photo: Path
) -> None:
    bmp = photo.with_suffix(".bmp")
    with Image.open(photo) as image:
        image.save(bmp)
    for source, title in ((photo.read_bytes(), "an image in memory"), (bmp, "me.bmp")):
        place = photo.with_name("out.png")
        reager.open(source).age(to=70).save(place, signer=signer, overwrite=True)
        found = verify_file(place).credentials
        assert found is not None
        assert found.steps[0] == f"opened {title}"


def test_a_photo_edited_in_its_place(photo: Path, chain: Chain) -> None:
    done = reage(
        "photo", photo, "--to", 70, "-o", photo, "--overwrite", "--sign", chain.certificate, chain.key
    )
    assert done.exit_code == 0, done.output
    found = verify_file(photo).credentials
    assert found is not None
    assert found.state == "valid"
    assert [original.signed for original in found.originals] == [False]


def test_what_was_signed_before_stays_known(signed: Path, chain: Chain) -> None:
    names = {"REAGE_SIGN_CERT": chain.certificate, "REAGE_SIGN_KEY": chain.key}
    assert reage("photo", signed, "--to", 20, **names).exit_code == 0
    done = reage("verify", signed.with_name("me-70-20.jpg"))
    assert done.exit_code == 0
    assert "me-70.jpg was signed itself, and was as signed when it was opened" in done.output
    data = bytearray(signed.read_bytes())
    data[-500] ^= 1
    signed.write_bytes(data)
    assert reage("photo", signed, "--to", 30, **names).exit_code == 0
    done = reage("verify", signed.with_name("me-70-30.jpg"))
    assert "Before that, of me-70.jpg: the file was changed after it was signed" in done.output


def test_a_strip_and_films(photo: Path, chain: Chain, signed_film: Path, tmp_path: Path) -> None:
    sign = ("--sign", chain.certificate, chain.key)
    places = [tmp_path / name for name in ("strip.png", "life.gif", "life.webp")]
    assert reage("strip", photo, "--ages", "30,60", "-o", places[0], *sign).exit_code == 0
    for place in places[1:]:
        assert reage("film", photo, "--seconds", 0.3, "--side", 64, "-o", place, *sign).exit_code == 0
    for place in (*places, signed_film):
        statement = verify_file(place, trust=chain.authority)
        assert statement.mark is not None
        assert statement.credentials is not None
        assert statement.credentials.state == "trusted"


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_video_of_a_signed_film(signed_film: Path, chain: Chain, tmp_path: Path, suffix: str) -> None:
    place = tmp_path / f"video{suffix}"
    done = reage(
        "video", signed_film, "--to", 70, "-o", place, "--quiet", "--sign", chain.certificate, chain.key
    )
    assert done.exit_code == 0, done.output
    found = verify_file(place).credentials
    assert found is not None
    assert found.state == "valid"
    assert found.originals[0].signed
    data = bytearray(place.read_bytes())
    data[-2000] ^= 1
    place.write_bytes(data)
    assert verify_file(place).is_contradicted


def test_what_cannot_be_signed_is_refused_before_the_work(
    signed_film: Path, chain: Chain, tmp_path: Path
) -> None:
    place = tmp_path / "video.mkv"
    sign = ("--quiet", "--sign", chain.certificate, chain.key)
    done = reage("video", signed_film, "--to", 70, "-o", place, *sign)
    assert done.exit_code == 2
    assert "video.mkv cannot be signed" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_where_signing_fails(
    reager: Reager, signer: Signer, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import c2pa

    def fail(*_: Any) -> None:
        raise c2pa.C2paError("Signature: no more ink")

    result = reager.open(photo).age(to=70)
    monkeypatch.setattr(c2pa.Builder, "sign", fail)
    with pytest.raises(SignatureError, match=r"^no more ink$"):
        result.save(photo.with_name("out.png"), signer=signer)
    assert [path.name for path in photo.parent.iterdir()] == ["me.jpg"]


def test_certificates_that_are_not_good_are_refused_in_one_line(
    photo: Path, chain: Chain, tmp_path: Path
) -> None:
    expired = make_chain(tmp_path / "expired", start=-20 * DAY, end=-10 * DAY)
    early = make_chain(tmp_path / "early", start=10 * DAY, end=20 * DAY)
    other = make_chain(tmp_path / "other", for_signing=False)
    secret = make_chain(tmp_path / "secret", passphrase="swordfish")
    for certificate, key, words in (
        (expired.certificate, expired.key, "expired on"),
        (early.certificate, early.key, "is not valid before"),
        (other.certificate, other.key, "cannot sign Content Credentials: the certificate is invalid"),
        (chain.certificate, other.key, "is not the key of the first certificate in"),
        (chain.key, chain.certificate, "holds no certificates in PEM form"),
        (chain.certificate, chain.certificate, "holds no private key in PEM form"),
        (tmp_path / "absent.pem", chain.key, "absent.pem cannot be read: No such file"),
        (secret.certificate, secret.key, "is encrypted: its passphrase is missing"),
    ):
        done = reage("photo", photo, "--to", 70, "--sign", certificate, key)
        assert done.exit_code == 2
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    wrong = reage(
        "photo", photo, "--to", 70, "--sign", secret.certificate, secret.key, REAGE_SIGN_PASSPHRASE="herring"
    )
    assert "cannot be opened with this passphrase" in wrong.stderr
    assert "set both" in reage("photo", photo, "--to", 70, REAGE_SIGN_CERT=chain.certificate).stderr
    assert not photo.with_name("me-70.jpg").exists()
    assert Signer.load(secret.certificate, secret.key, passphrase="swordfish").name == "Jane Doe"


def test_every_kind_of_key(portrait: Path, tmp_path: Path) -> None:
    keys = {
        "es384": ec.generate_private_key(ec.SECP384R1()),
        "es512": ec.generate_private_key(ec.SECP521R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ps256": rsa.generate_private_key(65537, 2048),
    }
    original = read_photo(portrait, max_pixels=MAX_PIXELS)
    for algorithm, key in keys.items():
        chain = make_chain(tmp_path / algorithm, key=key)
        signer = Signer.load(chain.certificate, chain.key)
        assert signer.algorithm == algorithm
        assert "PRIVATE KEY" not in repr(signer)
        place = write_photo(original, tmp_path / f"{algorithm}.jpg", mark=MARK)
        signer.sign(place, suffix=".jpg", mark=MARK, original=original)
        assert not verify_file(place).is_contradicted
    odd = make_chain(tmp_path / "odd", key=ec.generate_private_key(ec.SECP256K1()))
    with pytest.raises(SignatureError, match="C2PA signs with keys on"):
        Signer.load(odd.certificate, odd.key)


def test_a_certificate_that_expired_since_is_told(portrait: Path, tmp_path: Path) -> None:
    chain = make_chain(tmp_path, end=timedelta(seconds=6))
    signer, original = Signer.load(chain.certificate, chain.key), read_photo(portrait)
    place = write_photo(original, tmp_path / "out.jpg", mark=MARK)
    signer.sign(place, suffix=".jpg", mark=MARK, original=original)
    time.sleep(7)
    done = reage("verify", place)
    assert done.exit_code == 1
    assert "the certificate has expired, and there is no trusted time stamp of the signature" in done.output
    assert "changed" not in done.output


def test_what_says_nothing_and_what_is_no_picture(photo: Path, tmp_path: Path) -> None:
    statement = verify_file(photo)
    assert (statement.mark, statement.credentials, statement.unread) == (None, None, None)
    for name, content in (("absent.jpg", None), ("notes.txt", b"nothing"), ("empty.jpg", b"")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        done = reage("verify", tmp_path / name)
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1
    several = reage("verify", tmp_path / "absent.jpg", photo)
    assert several.exit_code == 2
    assert "Content Credentials: none." in several.stdout
    assert "absent.jpg does not exist" in several.stderr


def test_authorities_that_cannot_be_read_end_in_one_line(photo: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    for trust, words in (
        (photo, "holds no certificates"),
        (broken, "holds no certificates"),
        ("none", "cannot be read"),
    ):
        done = reage("verify", photo, "--trust", trust)
        assert done.exit_code == 2
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_without_the_extra_the_mark_is_still_read(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    done = reage("verify", signed)
    assert done.exit_code == 0
    assert "AI-edited by reage" in done.output
    assert "pip install 'reage[sign]'" in done.output


def test_what_a_file_says_cannot_steer_a_terminal(signer: Signer, photo: Path) -> None:
    evil = photo.rename(photo.with_name("me\x1b[2J.jpg"))
    original = read_photo(evil)
    place = write_photo(original, photo.with_name("out.jpg"), mark=MARK)
    signer.sign(place, suffix=".jpg", mark=MARK, original=original)
    assert "\x1b" not in str(verify_file(place))


def test_the_formats_are_those_that_c2pa_writes() -> None:
    import c2pa

    assert set(MEDIA_TYPES.values()) <= set(c2pa.Builder.get_supported_mime_types())
    with pytest.raises(PhotoError):
        verify_file("no such file")
