"""What people say about a run: shown, and changed in a form."""

from __future__ import annotations

import streamlit as st

from distaff.runs import marks
from distaff.runs.marks import Annotation
from distaff_dashboards.reads.source import Source
from distaff_dashboards.statements import cached
from distaff_dashboards.ui import wording


def draw_marks(source: Source, run: str) -> None:
    """Draw a run's title, note and tags, and the form that changes them."""
    before = _of(source, run)
    if before.title:
        st.subheader(wording.escape(before.title), anchor=False)
    if before.tags:
        st.caption(wording.escape(f"Tags: {', '.join(before.tags)}"))
    if before.note:
        st.markdown(wording.escape(before.note))
    if before.archived:
        st.info("This run is archived: boards and menus leave it out.")
    with st.expander("Title, note, tags, archive"), st.form(f"marks-{run}", border=False):
        title = st.text_input("Title", before.title or "")
        note = st.text_area("Note", before.note or "")
        tags = st.text_input("Tags", ", ".join(before.tags), help="With commas between.")
        archived = st.checkbox(
            "Archived", before.archived, help="Boards and menus leave it out; it keeps all that it has."
        )
        if st.form_submit_button("Save"):
            wanted = [tag.strip() for tag in tags.split(",") if tag.strip()]
            marks.mark(source.workspace, marks.RUN, run, title=title, note=note, archived=archived,
                       add=[tag for tag in wanted if tag not in before.tags],
                       remove=[tag for tag in before.tags if tag not in wanted])  # fmt: skip
            st.rerun()


@cached(max_entries=64, show_spinner=False)
def _of(source: Source, run: str) -> Annotation:
    return marks.marks_of(source.workspace, marks.RUN).get(run, Annotation(marks.RUN, run))
