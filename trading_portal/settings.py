"""Settings: typed from the environment, failing loudly."""

from __future__ import annotations

import sys
from pathlib import Path

from csp.constants import NONE, SELF

from trading_portal import env
from trading_portal.logs import LOGGING  # noqa: F401
from trading_portal.metrics import files

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT = env.choice("PORTAL_ENV", ("development", "test", "production"), "development")
IS_PRODUCTION = ENVIRONMENT == "production"
DATA_DIR = Path(env.text("PORTAL_DATA_DIR", str(BASE_DIR / ".data"))).resolve()
PORT = env.integer("PORTAL_PORT", 8000, at_least=1)

# Here, because whatever makes a metric is loaded later.
METRICS_DIR = files.share()
# Who brings it may read /metrics; without one nobody may.
METRICS_TOKEN = env.token("METRICS_TOKEN")

SECRET_KEY = env.text("PORTAL_SECRET_KEY")
DEBUG = False
ALLOWED_HOSTS = env.words("PORTAL_ALLOWED_HOSTS", "" if IS_PRODUCTION else "localhost,127.0.0.1,[::1],testserver")
PUBLIC_ORIGINS = env.words("PORTAL_ORIGINS", f"http://localhost:{PORT},http://127.0.0.1:{PORT}")
CSRF_TRUSTED_ORIGINS = PUBLIC_ORIGINS

INSTALLED_APPS = [
    "trading_portal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "django_eventstream",
    "audit",
    "accounts",
    "marketdata",
    "positions",
    "risk",
    "orders",
    "trading_portal",
]

MIDDLEWARE = [
    "trading_portal.middleware.metrics",
    "django.middleware.security.SecurityMiddleware",
    "trading_portal.middleware.request_id",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# What requests to the API pass instead: no sessions, no cookies, and nothing that moves to a thread and back.
API_PREFIXES = ["/v2/", "/v1beta3/", "/prices/stream"]
API_MIDDLEWARE = [
    "trading_portal.middleware.metrics",
    "trading_portal.middleware.request_id",
    "accounts.api.handler.guard",
]

ROOT_URLCONF = "trading_portal.urls"
ASGI_APPLICATION = "trading_portal.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASE_ROLE = env.text("PORTAL_DB_ROLE", "portal_app")
DATABASES = {
    "default": {
        **env.database("DATABASE_URL"),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"options": f"-c role={DATABASE_ROLE}" if DATABASE_ROLE else ""},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
        # A Redis that is stopped, not gone, must not hold up who asks it.
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 2, "SOCKET_TIMEOUT": 2},
    }
}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL], "prefix": "layer"}}
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 60, "socket_timeout": 5, "socket_connect_timeout": 2}
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Celery closes its connection to the database after each of so many tasks. Here a connection stays, as it does between
# requests (`trading_portal/celery.py`): each new one costs as much as placing an order.
CELERY_DB_REUSE_MAX = sys.maxsize
CELERY_BEAT_SCHEDULE = {
    "wake the venues": {"task": "orders.venues_sweep", "schedule": 1.0, "options": {"expires": 5}},
    "end unsent day orders": {"task": "orders.expire", "schedule": 5.0, "options": {"expires": 10}},
    "cancel what was killed": {"task": "orders.killed_sweep", "schedule": 5.0, "options": {"expires": 10}},
    "come back to brackets": {"task": "orders.groups_sweep", "schedule": 10.0, "options": {"expires": 10}},
    "tell of what is overdue": {"task": "orders.alerts_sweep", "schedule": 5.0, "options": {"expires": 10}},
    "put limits back": {"task": "risk.sweep", "schedule": 5.0, "options": {"expires": 10}},
}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "trade"
LOGOUT_REDIRECT_URL = "sign-in"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_PRODUCTION
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = IS_PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_PRODUCTION else None
SECURE_HSTS_SECONDS = 31_536_000 if IS_PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_PRODUCTION
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["accounts.api.renderers.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "accounts.api.errors.problem_from_exception",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Trading Portal API",
    "DESCRIPTION": "Place and follow orders, read positions and prices. Shapes follow Alpaca's Trading API v2.",
    "VERSION": "2.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "AccountStatusEnum": ["ACTIVE", "ACCOUNT_CLOSED"],
        "AssetClassEnum": ["us_equity", "crypto"],
        "AssetStatusEnum": ["active", "inactive"],
        "OrderSideEnum": ["buy", "sell"],
        "OrderStatusEnum": "orders.api.documents.STATUSES",
        "OrderTypeEnum": "orders.api.documents.TYPES",
    },
}

EVENTSTREAM_STORAGE_CLASS = "orders.eventstream.AuditLogStorage"
EVENTSTREAM_CHANNELMANAGER_CLASS = "orders.eventstream.AccountChannelManager"
# Pushpin in front of the account streams (docs/pushpin.md): the library reads GRIP_URL itself.
GRIP_URL = env.grip("GRIP_URL")
# Below the hour for which django-eventstream's token lets Pushpin ask again.
GRIP_RECHECK_SECONDS = env.integer("PORTAL_GRIP_RECHECK_SECONDS", 120, at_least=1, at_most=3000)
GRIP_FORWARDED_FOR = env.flag("PORTAL_GRIP_FORWARDED_FOR", False)

FEED = env.choice("PORTAL_FEED", ("simulated", "replay"), "simulated")
REPLAY_FILE = env.text("PORTAL_REPLAY_FILE", "")
REPLAY_SYMBOL = env.text("PORTAL_REPLAY_SYMBOL", "")
REPLAY_SPEED = env.text("PORTAL_REPLAY_SPEED", "1")
REPLAY_LOOP = env.flag("PORTAL_REPLAY_LOOP", False)
REPLAY_QUOTES_FILE = env.text("PORTAL_REPLAY_QUOTES_FILE", "")
REPLAY_SPREAD_BPS = env.integer("PORTAL_REPLAY_SPREAD_BPS", 10)
REPLAY_REST = env.choice("PORTAL_REPLAY_REST", ("simulated", "none"), "simulated")
SIMULATED_SESSIONS = env.choice("PORTAL_SIM_SESSIONS", ("always", "real"), "always")
API_ORDERS_PER_MINUTE = env.integer("PORTAL_API_ORDERS_PER_MINUTE", 200, at_least=1)
API_REQUESTS_PER_MINUTE = env.integer("PORTAL_API_REQUESTS_PER_MINUTE", 1000, at_least=1)
# How long a venue waits for a worker that died before the next may speak to it.
VENUE_LEASE_SECONDS = env.integer("PORTAL_VENUE_LEASE_SECONDS", 10, at_least=3)
# How each paper venue behaves: PORTAL_PAPER_<VENUE>_<NAME>, else PORTAL_PAPER_<NAME>, else what stands here first;
# what stands second is the least it may be.
PAPER_DEFAULTS = {
    "LATENCY_MS": ("3", 0),
    "JITTER_MS": ("0", 0),
    "RESTING_MS": ("30", 0),
    "FEE_RATE": ("0", 0),
    "FEE_PER_UNIT": ("0", 0),
    "OFFSET_TICKS": ("0", -100),
    "DEPTH_PERCENT": ("100", 0),
    "SLICE_PERCENT": ("100", 0),
    "SCENARIOS": ("1", 0),
    "SCENARIO_MS": ("1000", 0),
    "DROP_PERCENT": ("0", 0),
    "DUPLICATE_PERCENT": ("0", 0),
    "REORDER_PERCENT": ("0", 0),
    "REORDER_MS": ("50", 0),
    "DELAY_PERCENT": ("0", 0),
    "DELAY_MS": ("1000", 0),
    "LOSE_PERCENT": ("0", 0),
    "FAIL_PERCENT": ("0", 0),
    "HANG_PERCENT": ("0", 0),
    "FAULT_SEED": ("1", 0),
}
PAPER_VENUES = env.venues("PORTAL_PAPER_VENUES", "paper", PAPER_DEFAULTS)
# The paper venues that the router of the venue `smart` has to itself, with the numbers of any other paper venue.
SMART_VENUES = env.venues("PORTAL_SMART_VENUES", "alpha,beta,gamma", PAPER_DEFAULTS, prefix="PORTAL_PAPER_")
ALPACA_VENUES = env.venue_texts("PORTAL_ALPACA_VENUES", ("URL", "KEY_ID", "SECRET_KEY"), {"STREAM_URL": ""})
FIX_VENUES = env.venue_texts(
    "PORTAL_FIX_VENUES",
    ("HOST", "PORT", "SENDER_COMP_ID", "TARGET_COMP_ID"),
    dict.fromkeys(
        (
            *("USERNAME", "PASSWORD", "ACCOUNT", "DESTINATION", "EXTENDED_SESSION", "MASS_STATUS", "RESETS_ON_LOGON"),
            *("HEARTBEAT_SECONDS", "RECONNECT_SECONDS", "ANSWER_SECONDS"),
            *("START_TIME", "END_TIME", "START_DAY", "END_DAY"),
        ),
        "",
    ),
)
RECORDED_VENUES = env.venue_texts("PORTAL_RECORDED_VENUES", ("FILE",), {"RUN": "1", "SPEED": "1"})
# Venues that every account may name; to others a route of the account must lead. Hosts that may be spoken to.
VENUES_OPEN_TO_ALL = env.words("PORTAL_VENUES_OPEN", "paper*,replay*,smart*")
VENUE_EGRESS = env.words("PORTAL_VENUE_EGRESS", "localhost,127.0.0.1,::1")
FIX_HOST = env.text("PORTAL_FIX_HOST", "127.0.0.1")
FIX_PORT = env.integer("PORTAL_FIX_PORT", 0)
FIX_COMP_ID = env.text("PORTAL_FIX_COMP_ID", "PORTAL")
FIX_CERTIFICATE = env.text("PORTAL_FIX_CERTIFICATE", "")
FIX_KEY = env.text("PORTAL_FIX_KEY", "")
