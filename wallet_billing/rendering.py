"""How every form of the product is drawn: `{{ form }}` and `{{ form.field.as_field_group }}`. See docs/pages.md."""

from django.forms.renderers import TemplatesSetting


class ProductRenderer(TemplatesSetting):
    """Django's renderer with the product's own templates for a form and for a field."""

    form_template_name = "_form.html"
    field_template_name = "_field.html"
