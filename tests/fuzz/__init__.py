"""Inputs that nobody meant: every reader of what others write ends with a value or with an error that has a name.

`targets` says what is read and what must hold, `seeds` begins with what is right, `mutations` spoils it. `make fuzz`
looks for what nobody thought of, guided by the lines that an input reaches (atheris, libFuzzer); `make test` goes over
the seeds, some hundred spoilt ones, and all that was ever found (`found`).
"""
