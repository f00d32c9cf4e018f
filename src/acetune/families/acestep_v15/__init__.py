"""ACE-Step 1.5: turbo, base, sft and XL."""
