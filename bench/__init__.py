"""The benchmark: the same work through ginnel, through its peers and through nothing, measured in turns.

`python -m bench` is `make bench`, `python -m bench --wan` is `make bench WAN=1`; README.md beside this file says how to
read what they print. The nouns:

- a *place* is where programs run: loopback, or a network namespace of our own; a *lab* is two of them;
- a *subject* is a way for bytes to take: direct, a plain relay, ginnel, a peer;
- a *row* is a kind of work; in the lossy laboratory, where the work is always the same, a *wire*: a delay and a loss;
- a *cell* is one subject in one row;
- a *measure* is what a row tells of a subject: a rate, a time, an amount of memory;
- a *sample* is one subject's measures in one row and one round; a *run* is all of them, and what is stored.
"""
