"""Mail by SMTP: one short text to one person. Texts are the lane's; no address and no text is ever logged."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP

from resources.settings import Settings

TIMEOUT = 20.0


class MailAway(Exception):
    """The mail server did not take it now; the same mail may go later."""


class MailRefused(Exception):
    """The mail server will not take it: an address that does not exist."""


@dataclass(frozen=True, slots=True)
class Mail:
    """What goes out."""

    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. ``tls``: STARTTLS with the machine's authorities."""

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False

    @classmethod
    def read(cls, settings: Settings) -> "MailServer | None":
        """Of the settings; None where no server is named."""
        host = settings.text("HANDOFF_SMTP_HOST")
        if not host:
            return None
        return cls(
            host,
            settings.whole("HANDOFF_SMTP_PORT", 587),
            settings.text("HANDOFF_MAIL_FROM", "no-reply@localhost"),
            settings.text("HANDOFF_SMTP_USER"),
            settings.text("HANDOFF_SMTP_PASSWORD"),
            settings.choice("HANDOFF_SMTP_TLS", ("on", "off")) == "on",
        )

    def send(self, mail: Mail) -> None:
        """Hand it in; raises MailAway or MailRefused."""
        try:
            message = EmailMessage(policy=SMTP)
            message["From"], message["To"], message["Subject"] = self.sender, mail.to, mail.subject
            message["Auto-Submitted"] = "auto-generated"
            message.set_content(mail.text)
        except ValueError:
            raise MailRefused("the address cannot be written into a mail") from None
        try:
            with smtplib.SMTP(self.host, self.port, timeout=TIMEOUT) as server:
                if self.tls:
                    server.starttls(context=ssl.create_default_context())
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise _judged(error) from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailAway(f"the mail server did not take it ({type(error).__name__})") from None


def _judged(error: smtplib.SMTPException) -> Exception:
    codes = [code for code, _ in getattr(error, "recipients", {}).values()] or [
        getattr(error, "smtp_code", 0)
    ]
    if all(500 <= code < 600 for code in codes):
        return MailRefused("the mail server refuses the address for good")
    return MailAway("the mail server does not take it now")
