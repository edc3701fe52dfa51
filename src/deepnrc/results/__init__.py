"""Numbers and judgement: options, evaluation, measurement, diagnosis, and their text."""
