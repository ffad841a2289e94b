"""FAC Explorer, the router: `streamlit run app.py`. Pages show and call `fac_core`; nothing is computed here."""

import os

# before torch is first imported anywhere in this process: a passive wait keeps the pages alive on few cores
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from pathlib import Path

import streamlit as st

from pages.ui import chrome, router, services, task_view

ICON = Path(__file__).parent / "docs" / "icon.svg"
router.enter_frame()
st.set_page_config(page_title="FAC Explorer", page_icon=str(ICON), layout="wide", initial_sidebar_state=240)
st.logo(str(ICON), size="large")
pages = router.pages()
page = st.navigation(pages, position="hidden")
services.arrive(page.url_path)

with services.page():
    services.settle()
    with st.sidebar:
        top = st.container(gap="xsmall")
        middle = st.container(gap="xxsmall")
        bottom = st.container()
    with top:
        chrome.margins()
        chrome.choose_project()
    task_view.gate()
    here = services.here()
    with top:
        chrome.choose_space(here)
        if st.button("New project", icon=":material/add:", type="tertiary"):
            chrome.new_project()
    # the page first: what it does may change what waits and what runs
    with services.page():
        chrome.health_gate(here)
        page.run()
    with middle:
        chrome.links(pages, chrome.waiting(here))
    with bottom:
        chrome.job_bar(here)
