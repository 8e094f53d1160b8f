"""Builds the Lua script that translates headers for which Envoy has no setting of its own."""

from infra.stack.gateway.settings import GatewaySettings

BEARER = "Bearer "
"""The only spelling of this scheme that Envoy's verifier of tokens is told to accept."""
GRACE_MS = 1000
"""Milliseconds that the gateway waits longer than a client's Request-Timeout, for the service's own answer."""
TIMEOUT_HEADER = "grpc-timeout"
"""Header in which the script passes the time on to Envoy. Services do not receive it. When the time is over, Envoy ends
the request, but does not count a failure of the replica. Otherwise short Request-Timeouts could eject replicas."""


def headers_script(settings: GatewaySettings) -> str:
    """Return the script.

    Requests: the gateway waits for a response hardly longer than the client does (Request-Timeout). The scheme of a
    token may be written in any case (RFC 9110).
    Responses: rate limits are reported as the IETF's draft defines it (RateLimit, RateLimit-Policy), and with 429 also
    as Retry-After. If a token could not be verified for lack of keys, the answer does not request another token.
    """
    user_window_s, address_window_s = (
        -(-burst // rate)
        for burst, rate in (
            (settings.user_burst, settings.user_rate),
            (settings.address_burst, settings.address_rate),
        )
    )
    return f"""
function envoy_on_request(handle)
  local headers = handle:headers()
  local scheme, token = (headers:get("authorization") or ""):match("^(%a+) +(.*)$")
  if scheme and scheme:lower() == "bearer" then
    headers:replace("authorization", "{BEARER}" .. token)
  end
  local seconds = tonumber(headers:get("request-timeout") or "")
  if seconds and seconds >= 0 and seconds < 10000 then
    headers:replace("{TIMEOUT_HEADER}", string.format("%dm", seconds * 1000 + {GRACE_MS}))
    handle:clearRouteCache()
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local status = headers:get(":status")
  if status == "503" then
    headers:remove("www-authenticate")
  end
  local limit = headers:get("x-ratelimit-limit")
  if limit == nil then
    return
  end
  local is_user = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn") ~= nil
  local name, window = "address", {address_window_s}
  if is_user then
    name, window = "user", {user_window_s}
  end
  local reset = headers:get("x-ratelimit-reset")
  headers:add("ratelimit-policy", string.format('"%s";q=%s;w=%d', name, limit, window))
  headers:add("ratelimit", string.format('"%s";r=%s;t=%s', name, headers:get("x-ratelimit-remaining"), reset))
  for _, each in ipairs({{"limit", "remaining", "reset"}}) do
    headers:remove("x-ratelimit-" .. each)
  end
  if status == "429" then
    headers:replace("retry-after", string.format("%d", math.max(1, tonumber(reset))))
  end
end
"""
