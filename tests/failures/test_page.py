"""The page of the failure rows says what the tests say."""

from tests.failures.page import PAGE, page


def test_the_page_lists_the_tests_of_each_row() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make failures`"
