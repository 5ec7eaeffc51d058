"""Settings: the file, the environment over it, and errors that name file, key and reason."""

import os
import sys
from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.settings import Settings, find_settings_file, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUNMI_GATEWAY_CONFIG", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "gateway.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_nothing_is_required() -> None:
    settings = load_settings(None)
    assert settings.server.port == 8080
    assert settings.cloud.url == "https://store.sunmi.com/openapi"
    assert settings.discovery.methods == ["broadcast", "mdns", "sweep"]
    assert settings.outbox.max_bytes == 536870912


def test_the_file_is_read(tmp_path: Path) -> None:
    file = write(tmp_path, '[cloud]\nenvironment = "uat"\nshop_id = "10096"\n[discovery]\ninterfaces = ["lo"]\n')
    settings = load_settings(file)
    assert settings.cloud.url == "https://store.uat.sunmi.com/openapi"
    assert settings.cloud.shop == {"shop_id": "10096", "sunmi_shop_no": ""}
    assert settings.discovery.interfaces == ["lo"]


def test_callback_urls_lose_their_last_slash(tmp_path: Path) -> None:
    file = write(tmp_path, '[hooks]\npublic_url = "https://shop.example/sunmi/"\ncamera_url = "http://10.0.0.1:81"\n')
    hooks = load_settings(file).hooks
    assert (hooks.public_url, hooks.camera_url) == ("https://shop.example/sunmi", "http://10.0.0.1:81")


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNMI_GATEWAY__SERVER__PORT", "9000")
    monkeypatch.setenv("SUNMI_GATEWAY__DISCOVERY__INTERFACES", '["eth0"]')
    settings = load_settings(write(tmp_path, '[server]\nport = 1\nhost = "127.0.0.1"\n'))
    assert settings.server.port == 9000
    assert settings.server.host == "127.0.0.1"
    assert settings.discovery.interfaces == ["eth0"]


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("[server]\nprot = 1\n", "server.prot", "is not a setting"),
        ("[serve]\nport = 1\n", "serve", "is not a setting"),
        ("[server]\nport = 70000\n", "server.port", "65535"),
        ('[server]\nport = "many"\n', "server.port", "integer"),
        ('[server]\ntls_certificate = "a.pem"\n', "server", "belong together"),
        ('[cloud]\nenvironment = "test"\n', "cloud.environment", "'uat' or 'release'"),
        ('[cloud]\nbase_url = "http://store.example"\n', "cloud.base_url", "https://"),
        ('[cloud]\nbase_url = "https://store..example"\n', "cloud.base_url", "name of a host"),
        ('[cloud]\nbase_url = "https://store.example:443x"\n', "cloud.base_url", "name of a host"),
        ('[server]\nhosts = ["till..example"]\n', "server.hosts", "not a host name"),
        ('[hooks]\npublic_url = "https://shop..example"\n', "hooks.public_url", "must be a URL"),
        ('[hooks]\npublic_url = "https://' + "s" * 64 + '.example"\n', "hooks.public_url", "must be a URL"),
        ('[cloud]\nsecret_key = "a"\nsecret_key_file = "b"\n', "cloud", "not both"),
        ('[provisioning]\nssid = "S"\npassword = "a-password"\npassword_file = "b"\n', "provisioning", "not both"),
        ('[provisioning]\npassword = "a-password"\n', "provisioning", "needs ssid"),
        ('[provisioning]\nssid = "S"\npassword_file = "/nowhere/p"\n', "provisioning.password_file", "cannot be read"),
        ('[discovery]\nmethods = ["ping"]\n', "discovery.methods.0", "broadcast"),
        ('[hooks]\npublic_url = "shop.example"\n', "hooks.public_url", "must be a URL"),
        ('[hooks]\npublic_url = "ftp://shop.example"\n', "hooks.public_url", "must be a URL"),
        ('[hooks]\npublic_url = "https://"\n', "hooks.public_url", "must be a URL"),
        ('[hooks]\npublic_url = "https://shop.example:99999"\n', "hooks.public_url", "must be a URL"),
        ('[hooks]\npublic_url = "https://shop example"\n', "hooks.public_url", "must be a URL"),
        ('[hooks]\npublic_url = "https://me@shop.example"\n', "hooks.public_url", "without user name"),
        ('[hooks]\ncamera_url = "http://10.0.0.1/?a=b"\n', "hooks.camera_url", "without user name, ? and #"),
        ('[discovery]\naddresses = ["10.0.0.1:x"]\n', "discovery.addresses", "has no port"),
        ('[fleet]\nservers = ["office.example"]\n', "fleet.servers", "a host and a port"),
        ('[fleet]\nservers = ["office.example:99999"]\n', "fleet.servers", "a host and a port"),
        ('[fleet]\nservers = ["tls://office.example:4222"]\n', "fleet.servers", "a host and a port"),
        ('[fleet]\nservers = ["office.example:4222"]\n', "fleet", "private_key and user_jwt"),
        ('[fleet]\nshop = "shop.1"\n', "fleet.shop", "letters, digits, - or _"),
        ("[outbox]\nmax_bytes = 5\n", "outbox.max_bytes", "1048576"),
        ("port = \n", "", "not valid TOML"),
        (f"port = {'1' * 5000}\n", "", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, key: str, reason: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert str(file) in str(caught.value)
    assert key in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize("variable", ["SUNMI_GATEWAY__SERVER__PROT", "SUNMI_GATEWAY__NOTHING", "SUNMI_GATEWAY__SERVER"])
def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SettingsError, match=variable):
        load_settings(None)


def test_a_variable_of_the_wrong_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUNMI_GATEWAY__SERVER__PORT", "many")
    with pytest.raises(SettingsError, match=r"server\.port"):
        load_settings(None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gateway\.toml: cannot be read: No such file"):
        load_settings(tmp_path / "gateway.toml")


@pytest.mark.skipif(sys.platform == "win32", reason="needs the users of Unix")
def test_who_may_not_read_the_settings_learns_who_may(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.touch(mode=0)
    user = os.geteuid()
    os.seteuid(user or 65534)  # root may read everything
    try:
        with pytest.raises(SettingsError, match=r"gateway\.toml: you may not read it.* sudo -u sunmi-gateway"):
            load_settings(file)
    finally:
        os.seteuid(user)


def test_the_secret_can_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kdsofkdsnflke9382938k\n", encoding="utf-8")
    settings = load_settings(write(tmp_path, f'[cloud]\napp_id = "2039dds"\nsecret_key_file = "{secret}"\n'))
    assert settings.cloud.secret_key == "kdsofkdsnflke9382938k"
    assert settings.camera_credentials == ("2039dds", "kdsofkdsnflke9382938k")


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_an_unusable_secret_file_is_named(tmp_path: Path, content: str | None) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"cloud\.secret_key_file"):
        load_settings(write(tmp_path, f'[cloud]\nsecret_key_file = "{secret}"\n'))


def test_repr_shows_no_secrets(tmp_path: Path) -> None:
    text = '[cloud]\nsecret_key = "hush"\n[cameras]\nsecret_key = "hush"\nclient_certificate_password = "hush"\n'
    assert "hush" not in repr(load_settings(write(tmp_path, text)))


def test_a_wrong_value_beside_a_secret_does_not_show_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, '[cloud]\nsecret_key = "hush"\nenvironment = "x"\n'))
    assert "hush" not in str(caught.value)


def test_cameras_may_have_credentials_of_their_own() -> None:
    settings = Settings.model_validate(
        {"cloud": {"app_id": "a", "secret_key": "b"}, "cameras": {"app_id": "c", "secret_key": "d"}}
    )
    assert settings.camera_credentials == ("c", "d")


def test_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert load_settings(None).state_directory == tmp_path / "sunmi-gateway"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/sunmi-gateway")
    assert load_settings(None).state_directory == Path("/var/lib/sunmi-gateway")
    monkeypatch.setenv("SUNMI_GATEWAY__STORAGE__DIRECTORY", "/srv/state")
    assert load_settings(None).state_directory == Path("/srv/state")


def test_the_order_of_settings_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert find_settings_file("given.toml") == Path("given.toml")
    user = tmp_path / "sunmi-gateway" / "gateway.toml"
    user.parent.mkdir()
    user.touch()
    assert find_settings_file(None) == user
    monkeypatch.setenv("SUNMI_GATEWAY_CONFIG", "named.toml")
    assert find_settings_file(None) == Path("named.toml")


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("ssid", "网" * 11, "32 bytes"),
        ("ssid", "a\\tb", "control characters"),
        ("password", "short", "8 to 63 characters"),
        ("password", "x" * 64, "64 hexadecimal digits"),
        ("password", "plenty-of\\ncoffee", "line breaks"),
    ],
)
def test_a_network_that_cannot_be_is_refused(tmp_path: Path, key: str, text: str, reason: str) -> None:
    other = 'ssid = "Shop"\n' if key == "password" else ""
    with pytest.raises(SettingsError, match=rf"provisioning\.{key}: .*{reason}") as refused:
        load_settings(write(tmp_path, f'[provisioning]\n{other}{key} = "{text}"\n'))
    assert key != "password" or text not in str(refused.value)


def test_the_blanks_of_a_password_in_a_file_of_its_own_belong_to_it(tmp_path: Path) -> None:
    password = tmp_path / "wifi"
    file = write(tmp_path, f'[provisioning]\nssid = "Shop"\npassword_file = "{password}"\n')
    password.write_text(" plenty of coffee \r\n", encoding="utf-8")
    assert load_settings(file).provisioning.password == " plenty of coffee "
    password.write_text("plenty\nof coffee\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"password_file: .*line breaks"):
        load_settings(file)
