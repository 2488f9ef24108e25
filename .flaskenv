# What `flask` says of its commands works as it is printed: without `--app portal`.
FLASK_APP=portal
