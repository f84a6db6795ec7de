"""Approvals, once for everything that is approved: changes, versions of limit templates, versions of the policy.

What is approved is a **subject**. Its row points to an `ApprovalRequest` (`Change.approval`), which says what policy wanted
when it was asked for, who asked, until when, and in which state it is. `Approval` rows are the verdicts, `Comment` rows the
remarks.

- `policy.need(facts)` asks the policy in force what something needs; `policy.Facts` is what it is asked with. Previews, pages
  and PostgreSQL's guards get their answer from the same SQL function, `approvals_need`.
- `actions.new_request(...)` returns the request of a new subject, unsaved; the subject saves it in its own transaction.
- `actions.decide`, `withdraw`, `expire_overdue`, `comment`, `review` and `act_alone` (break-glass) are what people and the
  clock do to a request; each is one transaction with its audit event. `actions.refusal` says why somebody may not decide.
- `actions.put_new_content` gives a waiting request another digest and the next version: earlier approvals lapse.
- `queries.waiting_for(person)` is the inbox, `queries.to_review(person)` what ran first and waits for a review;
  `queries.approval_progress(...)` says how far a request has come, in words.
- `policy_versions.propose` proposes the next version of the policy, from `RuleDraft`s. It is approved like anything else.
- `policy_trial` says what drafts would have wanted of everything that was requested lately; `policy_views` are their pages.
- `subjects.Subject` is what a package registers for its type of subject (`subjects.register`, in its `apps.py`): how to lock
  it, what to check before an approval, what an approval or an end does to it, what its events say, its line in the inbox.

What somebody edits and asks for again is a new subject with a request of its own: approvals are bound to content, and nothing
of an earlier one counts for it. The earlier request ends as `edits_requested`.

Locks are taken in one order: the subject's rows, its request, the person who decides.
"""
