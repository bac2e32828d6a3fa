"""An operator of SIM signatures for tests and demonstrations: no phone, no contract, no charge.

Phones live in memory, keys are made for each number, and both protocols (ETSI TS 102 204, Mobile-ID
REST) lead to one state machine. Never a part of the service: it is a program of its own.
"""
