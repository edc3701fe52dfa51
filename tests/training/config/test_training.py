import pytest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["optimizer=adam", "momentum=0.9"],
            "'training': momentum needs optimizer = 'sgd': leave it out, or change that",
        ),
        (["optimizer=adam", "nesterov=true"], "'training': nesterov needs optimizer = 'sgd'"),
        (["betas=[0.9, 0.99]"], "'training': betas needs optimizer = 'adam' or 'adamw'"),
        (
            ["optimizer=adam", "betas=[0.9]"],
            "'training.betas' list should have at least 2 items after validation, not 1",
        ),
        (["nesterov=true", "momentum=0.0"], "'training': nesterov needs a momentum above 0"),
        (
            ["schedule=cosine", "milestones=[0.5]"],
            "'training': milestones needs schedule = 'multistep'",
        ),
        (["schedule=constant", "gamma=0.5"], "'training': gamma needs schedule = 'multistep'"),
        (["ufm_lambda_h=1e-3"], "'training': ufm_lambda_h and ufm_lambda_w must be set together"),
        (["ufm_lambda_w=1e-3"], "'training': ufm_lambda_h and ufm_lambda_w must be set together"),
        (
            ["ufm_lambda_h=1e-3", "ufm_lambda_w=1e-3"],
            "'training': ufm_lambda_h and ufm_lambda_w replace weight decay: set weight_decay = 0 "
            "(it is 0.005), or leave them out",
        ),
    ],
)
def test_invalid_combinations(refused, changes, message):
    assert message in refused(*(f"training.{change}" for change in changes))
