from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0002_further_acts")]

    operations = [
        migrations.AlterField(
            model_name="rightsrequest",
            name="act",
            field=models.CharField(
                choices=[
                    ("add_role", "Give a role"),
                    ("switch_on", "Switch on"),
                    ("reset", "Reset the sign-in"),
                    ("reset_factors", "Reset the sign-in and remove the second factors"),
                    ("set_email", "Change the e-mail address"),
                    ("widen_access", "Give access to more accounts"),
                    ("end_mark", "End the mark of an account as theirs or a relative's"),
                ],
                max_length=16,
            ),
        ),
    ]
