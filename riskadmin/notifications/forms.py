"""Choosing channels, and adding a webhook."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.forms.boundfield import BoundField

from riskadmin.notifications.models import MailDigest, Preferences, Shape, Webhook
from riskadmin.notifications.outbox import channels_of
from riskadmin.notifications.topics import TOPICS, WEBHOOK_TOPICS, Channel, Topic
from riskadmin.notifications.webhook_request import AddressRefused, checked_host

URL_MAX: Final = 2000
NAME_TAKEN: Final = "Another webhook has this name. Choose another one, or remove that webhook first."


@dataclass(frozen=True, kw_only=True)
class TopicRow:
    """One topic on the settings page, with a box for each channel; without one on the page if it is always shown there."""

    topic: Topic
    sentence: str
    page: BoundField | None
    email: BoundField


class PreferencesForm(forms.Form):
    """For each topic the channels, and how often e-mail comes."""

    mail_digest = forms.ChoiceField(
        label="E-mail that is not urgent",
        choices=MailDigest.choices,
        required=False,
        widget=forms.RadioSelect,
        help_text="Urgent e-mail is always sent as it happens.",
    )

    def __init__(self, data: Any = None, *, chosen: Preferences | None = None) -> None:
        """Add a box for each topic and channel, with what the person chose before."""
        super().__init__(data, initial={"mail_digest": chosen.mail_digest if chosen else ""})
        for topic, spec in TOPICS.items():
            for channel in (Channel.EMAIL,) if spec.is_urgent else (Channel.PAGE, Channel.EMAIL):
                self.fields[_box(topic, channel)] = forms.BooleanField(
                    required=False,
                    initial=channel in channels_of(topic, chosen),
                    widget=forms.CheckboxInput({"aria-label": f"{topic.label}: {channel.label}", "class": "form-check-input"}),
                )

    @property
    def rows(self) -> Iterator[TopicRow]:
        """The topics, as the page shows them."""
        for topic, spec in TOPICS.items():
            page = None if spec.is_urgent else self[_box(topic, Channel.PAGE)]
            yield TopicRow(topic=topic, sentence=spec.sentence, page=page, email=self[_box(topic, Channel.EMAIL)])

    @property
    def channels(self) -> Mapping[Topic, list[Channel]]:
        """The channels of each topic, once the form is valid."""
        return {topic: [channel for channel in Channel if self.cleaned_data.get(_box(topic, channel))] for topic in TOPICS}


def _box(topic: Topic, channel: Channel) -> str:
    return f"{topic.value}-{channel.value}"


class WebhookForm(forms.Form):
    """A new webhook."""

    name = forms.CharField(label="Name", max_length=80, help_text="Shown in the outbox, such as the channel's name.")
    url = forms.CharField(
        label="Address",
        max_length=URL_MAX,
        widget=forms.TextInput({"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
        help_text="Begins with https://. It is stored encrypted, and only its host is shown later.",
    )
    shape = forms.ChoiceField(label="Format", choices=Shape.choices, widget=forms.RadioSelect, initial=Shape.JSON.value)
    topics = forms.MultipleChoiceField(
        label="Topics",
        choices=[(topic.value, topic.label) for topic in WEBHOOK_TOPICS],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one topic."},
    )

    def clean_name(self) -> str:
        """Refuse a name that another webhook has."""
        name: str = self.cleaned_data["name"]
        if Webhook.objects.filter(name=name, removed_at=None).exists():
            raise forms.ValidationError(NAME_TAKEN)
        return name

    def clean_url(self) -> str:
        """Refuse an address that messages may not be posted to."""
        url: str = self.cleaned_data["url"]
        try:
            checked_host(url)
        except AddressRefused as error:
            raise forms.ValidationError(str(error)) from error
        return url
