"""Addresses of this app: its pages, all of one workspace, and where providers report. Those of its API hang under /api/v1."""

from django.urls import include, path

from usage import webhooks
from usage.views import lab, lab_calls, lab_chats

app_name = "usage"

of_one_workspace = [
    path("lab", lab.lab, name="lab"),
    path("lab/chats", lab.new_chat, name="new_lab_chat"),
    path("lab/chats/<uuid:run_id>", lab_chats.chat, name="lab_chat"),
    path("lab/chats/<uuid:run_id>/say", lab_chats.say_something, name="say_in_lab_chat"),
    path("lab/calls", lab.new_call, name="new_lab_call"),
    path("lab/calls/<uuid:run_id>", lab_calls.call, name="lab_call"),
    path("lab/calls/<uuid:run_id>/pulse", lab_calls.pulse, name="lab_call_pulse"),
    path("lab/calls/<uuid:run_id>/hang-up", lab_calls.hang_up_call, name="hang_up_lab_call"),
]

urlpatterns = [
    path("w/<str:public_id>/", include(of_one_workspace)),
    path("webhooks/twilio", webhooks.twilio_webhook, name="twilio_webhook"),
    path("webhooks/vapi", webhooks.vapi_webhook, name="vapi_webhook"),
    path("webhooks/retell", webhooks.retell_webhook, name="retell_webhook"),
]
