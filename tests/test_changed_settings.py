"""The second settings file, which the console writes."""

from pathlib import Path

import pytest

from gateway.changed_settings import MAX_BYTES, load_all_settings, read_changes, write_changes


@pytest.fixture
def main(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "password").write_text("of the file\n", encoding="utf-8")
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'[storage]\ndirectory = "{tmp_path}/state"\n[cloud]\nshop_id = "1"\nsunmi_shop_no = "2"\n'
        f'[provisioning]\nssid = "shop"\npassword_file = "{tmp_path}/password"\n',
        encoding="utf-8",
    )
    return file


def second(main: Path) -> Path:
    return main.with_name("state") / "settings.toml"


def test_it_wins_over_the_main_file_and_the_environment_over_both(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNMI_GATEWAY__CLOUD__SUNMI_SHOP_NO", "of the environment")
    text = 'a"\\\x7f\n店'
    changes = {
        ("cloud", "shop_id"): text,
        ("cloud", "sunmi_shop_no"): "x",
        ("discovery", "interfaces"): ["eth0"],
        ("server", "pos_deletes_products"): True,
    }
    write_changes(second(main), changes)
    assert second(main).stat().st_mode & 0o777 == 0o600
    assert read_changes(second(main)) == changes
    settings, problem = load_all_settings(main)
    assert problem == ""
    assert (settings.cloud.shop_id, settings.cloud.sunmi_shop_no) == (text, "of the environment")
    assert settings.discovery.interfaces == ["eth0"]
    assert settings.server.pos_deletes_products
    assert settings.provisioning.password == "of the file"


def test_its_password_wins_over_a_file_of_the_main_one(main: Path) -> None:
    write_changes(second(main), {("provisioning", "password"): "of the console"})
    assert load_all_settings(main).settings.provisioning.password == "of the console"


@pytest.mark.parametrize(
    "content",
    [
        b"[cloud",
        b"\xff",
        b"x = 1",
        b"cloud = 1",
        b'[cloud]\nbase_url = "https://elsewhere.example"',
        b'[storage]\ndirectory = "/x"',
        b"[video]\nmax_streams = 17",
        b"#" * (MAX_BYTES + 1),
        b"[cloud]\nshop_id = " + b"[" * 5000,
    ],
)
def test_a_wrong_one_stops_nothing_and_is_set_aside_by_the_service_alone(main: Path, content: bytes) -> None:
    second(main).write_bytes(content)
    settings, problem = load_all_settings(main)
    assert settings.cloud.shop_id == "1"
    assert str(second(main)) in problem
    assert second(main).read_bytes() == content
    settings, problem = load_all_settings(main, sets_aside=True)
    assert settings.provisioning.password == "of the file"
    assert problem
    assert second(main).with_name("settings.toml.bad-1").read_bytes() == content
    assert load_all_settings(main, sets_aside=True).problem == ""


def test_one_that_cannot_be_read_is_logged_and_stops_nothing(main: Path, caplog: pytest.LogCaptureFixture) -> None:
    second(main).mkdir()
    assert load_all_settings(main, sets_aside=True).settings.cloud.shop_id == "1"
    assert str(second(main)) in caplog.text
