"""Commands speak the language of the terminal, Chinese or English; JSON is English."""

import asyncio
import contextlib
import os
import re
import sys
from typing import Any

import pytest

CHINESE = {"LANG": "zh_CN.UTF-8"}
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "商米门店边缘网关。"),
        (("cameras", "provision"), "配置摄像机：一次完成 Wi-Fi、激活和命名。"),
        (("outbox", "list"), "按接收顺序列出待发队列的内容。"),
        (("token", "create"), "创建令牌并打印；之后不再显示。"),
        (("simulate", "camera"), "模拟一台摄像机，直到按 Ctrl-C。"),
    ],
)
async def test_help_is_in_the_language_of_the_terminal(command: Any, words: tuple[str, ...], expected: str) -> None:
    chinese, english = await asyncio.gather(command(*words, "--help", **CHINESE), command(*words, "--help"))
    assert expected in chinese.output
    assert "用法：" in chinese.output
    assert "显示此帮助并退出。" in chinese.output
    assert not HAN.search(english.output)
    assert "Show this message and exit." in english.output
    options = re.compile(r"^ +(?:-\w, )?(--[\w-]+)", re.MULTILINE)
    assert options.findall(chinese.output) == options.findall(english.output)
    assert max(map(_measure, chinese.output.splitlines())) <= 80, "a line is wider than the terminal"


def _measure(line: str) -> int:
    return sum(2 if ord(character) > 0x2E80 else 1 for character in line)


@pytest.mark.parametrize(
    ("words", "chinese", "english"),
    [
        (("cameras", "show", "nobody"), "未知的摄像机 'nobody'", "No camera 'nobody' is known"),
        (("outbox", "retry"), "请用编号指定一个条目", "name one item by its ID"),
        (("cloud", "call", "order/update", "nonsense"), "'nonsense' 不是 name=value 的形式", "is not name=value"),
        (("cameras", "show"), "错误：缺少参数 'SN'", "Error: Missing argument 'SN'"),
        (("cameras", "activate", "SN"), "缺少 --activation-number", "--activation-number is missing"),
    ],
)
async def test_errors_are_in_the_language_of_the_terminal(
    command: Any, words: tuple[str, ...], chinese: str, english: str
) -> None:
    for environment, expected in ((CHINESE, chinese), ({}, english)):
        done = await command(*words, **environment)
        assert done.status in (1, 2)
        assert expected in done.errors
        assert done.output == ""


@pytest.mark.parametrize(
    "words", [("catalogue",), ("cameras", "show", "nobody"), ("outbox", "list"), ("token", "list")]
)
async def test_json_is_the_same_in_every_language(command: Any, running: str, words: tuple[str, ...]) -> None:
    english, chinese = [await command(*words, "--json", **environment) for environment in ({}, CHINESE)]
    assert (chinese.status, chinese.output.partition("request_id")[0]) == (
        english.status,
        english.output.partition("request_id")[0],
    )
    assert chinese.errors == english.errors


async def test_tables_and_findings_are_in_the_language_of_the_terminal(command: Any, running: str) -> None:
    assert (await command("cameras", "list", **CHINESE)).output.split()[:3] == ["序列号", "型号", "名称"]
    assert (await command("cameras", "list")).output.split()[:3] == ["SN", "MODEL", "NAME"]
    findings = (await command("doctor", **CHINESE)).output
    assert "网关正在运行" in findings
    assert "没有已管理的摄像机" in findings


@pytest.mark.parametrize("encoding", ["gbk", "cp1252", "utf-8"])
async def test_a_console_that_cannot_show_chinese_gets_its_lines_all_the_same(command: Any, encoding: str) -> None:
    process = await command.begin("cameras", "--help", **CHINESE, PYTHONIOENCODING=encoding)
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert ("摄像机" in output.decode(encoding)) == (encoding in ("gbk", "utf-8"))
    assert "access-points" in output.decode(encoding)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
async def test_questions_are_in_the_language_of_the_terminal(command: Any) -> None:
    ours, theirs = os.openpty()
    command.stdin = theirs
    try:
        process = await command.begin("cameras", "activate", "SN", "--activation-number", "1", **CHINESE)
        assert process.stderr is not None
        question = await process.stderr.readuntil(b": ")
        assert question.decode() == "激活会删除摄像机的人脸分组。是否继续？ [y/N]: "
        os.write(ours, b"n\n")
        errors = await process.stderr.read()
        assert await process.wait() == 1
        assert "未激活" in errors.decode()
    finally:
        for end in (ours, theirs):
            with contextlib.suppress(OSError):
                os.close(end)
