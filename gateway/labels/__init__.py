"""Pictures of shelf labels: drawn from a template and a product, in the size and colours of the label's model.

Nothing here touches the network or the database. `draw.draw_label` is the way in.
"""
