"""Planned rows of the ledger."""

from segue.core.claim import Claim


def test_rows_that_ask_one_fitted_system_share_its_folder() -> None:
    fitted = Claim(system="sasrec_tuned", row="beauty", data="amazon-beauty")
    asked = Claim(system="sasrec_tuned", row="beauty-unfiltered", data="amazon-beauty", trained="beauty")
    assert fitted.run_name == asked.run_name == "sasrec_tuned--beauty"
