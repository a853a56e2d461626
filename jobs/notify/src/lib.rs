//! Incidents → people: Alertmanager, webhooks, Slack and PagerDuty, told once.
