import contextlib
import io
import logging
import os
import pty
import sys
import threading

import pytest

import deepnrc
from deepnrc.passes.progress import Progress
from helpers import in_batches, in_plain_python, regression_data, small_network


def measured(loader, **options):
    """A measurement of one layer of two."""
    deepnrc.measure(small_network(), loader, layers="0", **options)


def seen_on_a_terminal(loader, **options):
    """What a real terminal gets from standard error while `measured` runs."""
    leader, follower = pty.openpty()
    pieces = []

    def read():
        with contextlib.suppress(OSError):  # Linux's way to say that the other side is closed
            while piece := os.read(leader, 65536):
                pieces.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with os.fdopen(follower, "w") as stream, contextlib.redirect_stderr(stream):
            measured(loader, **options)
    finally:
        reader.join(timeout=60)
        os.close(leader)
    return b"".join(pieces).decode()


@pytest.fixture
def batches():
    return in_batches(*regression_data(40))


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_terminal_sees_plan_and_bar(batches):
    shown = seen_on_a_terminal(batches)
    assert "measuring 1 layer against 2 target dimensions; at most" in shown
    assert "leaving out 2: not selected by layers=" in shown
    assert "━" in shown
    assert "100%" in shown


def test_a_loader_without_length_has_a_plan_and_no_bar(batches):
    shown = seen_on_a_terminal(iter(batches))
    assert shown.startswith("measuring 1 layer against 2 target dimensions; at most")
    assert "━" not in shown


def test_progress_false_shows_nothing(batches):
    assert seen_on_a_terminal(batches, progress=False) == ""


def test_a_pipe_sees_nothing_unless_the_script_asks_for_the_log():
    out = in_plain_python("""
        import logging, sys
        sys.stderr = sys.stdout  # the same pipe, so that the order shows
        import deepnrc
        from helpers import regression_data, small_network
        deepnrc.measure(small_network(), [regression_data(40)])
        print("asked")
        logging.basicConfig(level="INFO")
        deepnrc.measure(small_network(), [regression_data(40)])
    """)
    first, second = out.splitlines()
    assert first == "asked"
    assert second.startswith("INFO:deepnrc:measuring 2 layers against 2 target dimensions; at most")


class Terminal:
    """Standard error that says it is a terminal."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text
        return len(text)

    def flush(self):
        pass


@contextlib.contextmanager
def on_terminal():
    """What is shown within; set here, as pytest sets its own stream after the fixtures."""
    with contextlib.redirect_stderr(Terminal()) as stream:
        yield stream


def test_square_brackets_are_text_not_markup():
    with on_terminal() as terminal, Progress([1, 2]) as bar:
        bar.say("leaving out blocks[bold]: odd [/name]")
        bar.advance()
    assert "leaving out blocks[bold]: odd [/name]" in terminal.text


def test_the_bar_stops_when_the_pass_raises():
    def interrupted(bar):
        bar.advance()
        raise KeyboardInterrupt

    with on_terminal() as terminal:
        with pytest.raises(KeyboardInterrupt), Progress([1, 2]) as bar:
            interrupted(bar)
        assert sys.stderr is terminal  # rich puts its own in place while it is live
    hidden, shown = (terminal.text.count(f"\x1b[?25{end}") for end in "lh")
    assert hidden == shown  # the cursor is back


class NoLength:
    """As torch's samplers: a length that is not implemented."""

    def __len__(self):
        raise NotImplementedError


@pytest.mark.parametrize("loader", [NoLength(), iter([1]), object()])
def test_a_loader_may_have_no_length(loader):
    with on_terminal() as terminal, Progress(loader) as bar:
        bar.say("plan")
        bar.advance()
    assert terminal.text == "plan\n"


def test_a_length_is_asked_for_only_where_it_is_shown():
    class Untouched:
        def __len__(self):
            pytest.fail("asked for its length")

    with on_terminal(), Progress(Untouched(), enabled=False) as bar:
        bar.advance()


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO(), None])  # None: no console at all
def test_what_is_not_shown_is_logged(caplog, stream):
    enabled = not isinstance(stream, Terminal)
    with (
        contextlib.redirect_stderr(stream),
        caplog.at_level(logging.INFO, logger="deepnrc"),
        Progress([1], enabled=enabled) as bar,
    ):
        bar.say("50% of [it]")
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [
        ("deepnrc", "INFO", "50% of [it]")
    ]
    assert not getattr(stream, "text", "")


def test_what_is_shown_is_not_logged_as_well(caplog):
    with (
        on_terminal() as terminal,
        caplog.at_level(logging.INFO, logger="deepnrc"),
        Progress(object()) as bar,
    ):
        bar.say("plan")
    assert terminal.text == "plan\n"
    assert caplog.records == []
