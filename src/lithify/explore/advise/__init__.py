"""What to build a product with: costs of silicon, break-even volumes, risks, from assumptions anyone may change."""
