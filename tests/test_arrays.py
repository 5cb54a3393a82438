"""What is written as an array literal is what PostgreSQL reads."""

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from trading_portal.kernel import arrays


@given(texts=st.lists(st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"))))
def test_every_text_survives_an_array(texts):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [arrays.texts_of(texts)])
        assert cursor.fetchone()[0] == texts


@pytest.mark.parametrize("texts", [['"', "\\", "{}", ","], ["null", "NULL", None, ""], ["a\nb", "\x7f", "\u2028"]])
def test_texts_that_look_like_syntax_survive_an_array(texts):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [arrays.texts_of(texts)])
        assert cursor.fetchone()[0] == texts


@given(values=st.lists(st.binary()))
def test_all_bytes_survive_an_array(values):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::bytea[]", [arrays.bytes_of(values)])
        assert [bytes(each) for each in cursor.fetchone()[0]] == values
