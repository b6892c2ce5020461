"""Starting the page: safe options, and a port in use is a sentence."""

import socket

import pytest

from assistant.serve import MAX_UPLOAD_MB, PAGE, check_port, streamlit_options
from retrieval.errors import UsageError


def test_a_port_in_use_names_itself_and_the_next_one() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"127.0.0.1:{port} .*in use.*make app PORT={port + 1}"):
            check_port("127.0.0.1", port)


def test_a_free_port_is_fine() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    check_port("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 70_000), ("no.such.host.invalid", 8501), ("203.0.113.1", 8501)]
)
def test_an_address_that_cannot_be_listened_on_is_a_sentence(host: str, port: int) -> None:
    with pytest.raises(UsageError, match=f"cannot listen on {host}:{port}"):
        check_port(host, port)


def test_the_page_is_served_safely() -> None:
    options = streamlit_options("127.0.0.1", 8501)
    assert {"--server.address=127.0.0.1", "--server.port=8501", "--server.headless=true"} <= set(options)
    assert {"--server.enableXsrfProtection=true", "--server.enableCORS=true"} <= set(options)
    assert {"--browser.gatherUsageStats=false", "--server.fileWatcherType=none"} <= set(options)
    assert f"--server.maxUploadSize={MAX_UPLOAD_MB}" in options and MAX_UPLOAD_MB <= 50


def test_the_page_that_is_served_is_the_projects() -> None:
    assert PAGE.name == "streamlit_app.py" and PAGE.is_file()
