"""How a run is shown: Markdown, plots, one page of HTML, a file of all samples; always made from what it wrote down."""
