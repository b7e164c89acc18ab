"""Origins (RFC 9110 section 4.3.1): who may see what is meant for one server only."""


def origin(source, url):
    """(scheme, host, port) of an address. source: HttpSource. Raises FwError BAD_URL."""
    host, port, _path = source.split(url)
    return url.partition(":")[0].lower(), host.lower(), port
