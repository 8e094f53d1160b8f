"""Combines all stand-ins into one web application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from infra.lab.stand_ins import carriers, dials, identity, mail, parcels, payments
from infra.lab.stand_ins.carrier_callbacks import CarrierCallbacks
from infra.lab.stand_ins.identity import Issuer
from infra.lab.stand_ins.ledger import Ledger
from infra.lab.stand_ins.mail import MailSink
from infra.lab.stand_ins.problems import answer_with_problems
from infra.lab.stand_ins.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Creates the application. It opens its ledger and its SMTP port when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        ledger = Ledger(settings.state_dir / "ledger.sqlite3", schemas=(payments.SCHEMA, parcels.SCHEMA, mail.SCHEMA))
        faults = dials.Dials()
        callbacks = CarrierCallbacks(
            ledger,
            secret=settings.carrier_webhook_secret.get_secret_value(),
            dispatch_after_s=settings.carrier_dispatch_after_s,
            deliver_after_s=settings.carrier_deliver_after_s,
        )
        issuer = Issuer(
            url=settings.issuer,
            audience=settings.oidc_audience,
            key_file=settings.state_dir / "issuer-key.pem",
        )
        for router in (
            identity.routes(issuer),
            payments.routes(ledger, faults),
            carriers.routes(ledger, faults, callbacks),
            mail.routes(ledger),
            dials.routes(faults),
        ):
            app.include_router(router)
        await callbacks.start()
        smtp = await MailSink(ledger, faults).listen(settings.outside_host, settings.smtp_port)
        yield
        smtp.close()
        await callbacks.stop()
        await ledger.close()

    app = FastAPI(title="Stand-ins for external systems", lifespan=lifespan, docs_url=None, redoc_url=None)
    answer_with_problems(app)

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    return app
