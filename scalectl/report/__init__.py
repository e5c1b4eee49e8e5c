"""What people see: tables, figures, a page, a document for programs."""
