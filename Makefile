.PHONY: run stop test check bench mutants lock

run:
	@python3 manage.py up

stop:
	@python3 manage.py stop

test:
	@python3 manage.py test $(ARGS)

check:
	@python3 manage.py check

bench:
	@python3 manage.py bench $(ARGS)

mutants:
	@python3 manage.py mutants $(ARGS)

lock:
	@python3 manage.py lock
